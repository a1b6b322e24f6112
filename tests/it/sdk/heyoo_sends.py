"""A campaign engine on the unmodified SDK `heyoo`: only the token is the gateway's. The SDK knows one host,
graph.facebook.com; HTTPS_PROXY and REQUESTS_CA_BUNDLE say where that is and who vouches for it.

Arguments: phone number ID, gateway key. One JSON object a line on stdout gives the result of each step: the message ID, or
the error as the SDK returned it.
"""

import json
import logging
import os
import sys
import tempfile

import heyoo

phone_id, key = sys.argv[1:3]
engine = heyoo.WhatsApp(key, phone_number_id=phone_id)
# What the SDK logs tells more than what it returns: the status among it.
logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")


def step(name, outcome):
    if "error" in outcome:
        error = outcome["error"]
        outcome = {
            "code": error["code"],
            "type": error["type"],
            "message": error["message"],
            "details": error["error_data"]["details"],
            "trace": error["fbtrace_id"],
        }
    elif "messages" in outcome:
        outcome = {"id": outcome["messages"][0]["id"]}
    print(json.dumps({"step": name} | outcome), flush=True)


picture = b"\xff\xd8\xff\xe0 a picture"
to = "16505550144"
received = "wamid.HBgLMTY1MDU1NTAxNDQVAgARGBISU5CMQA=="
buttons = [{"type": "reply", "reply": {"id": title, "title": title}} for title in ("Yes", "No")]
question = {"type": "button", "body": {"text": "Shall we deliver tomorrow?"}, "action": {"buttons": buttons}}
rows = [{"id": "1", "title": "Morning", "description": ""}, {"id": "2", "title": "Evening", "description": ""}]
choice = {"body": "When?", "action": {"button": "Choose", "sections": [{"title": "Times", "rows": rows}]}}

with tempfile.TemporaryDirectory() as home:
    os.chdir(home)
    with open("a.jpg", "wb") as file:
        file.write(picture)
    media = engine.upload_media("a.jpg")["id"]
    step("upload", {"id": media})
    saved = engine.download_media(engine.query_media_url(media), "image/jpeg", "fetched")
    with open(saved, "rb") as file:
        step("download", {"id": file.read() == picture})
step("text", engine.send_message("Hello from the SDK", to))
step("reply", engine.reply_to_message(received, to, "Hello again"))
step("template", engine.send_template("spring_offer", to, components=[]))
step("image", engine.send_image(media, to, link=False))
step("interactive", engine.send_reply_button(question, to))
step("list", engine.send_button(choice, to))
link = "https://example.com/a"
person = {"name": {"formatted_name": "Ann Example", "first_name": "Ann"}, "phones": [{"phone": "+16505550145"}]}
step("picture by link", engine.send_image(f"{link}.jpg", to))
step("document", engine.send_document(f"{link}.pdf", to))
step("audio", engine.send_audio(media, to, link=False))
step("video", engine.send_video(f"{link}.mp4", to, caption="A film"))
step("sticker", engine.send_sticker(f"{link}.webp", to))
step("contacts", engine.send_contacts([person], to))
step("reaction", engine.send_reaction("👍", received, to))
own = {"messaging_product": "whatsapp", "type": "text", "text": {"body": "Hello"}, "preview_url": False}
step("own", engine.send_custom_json(own, to))
step("location", engine.send_location(37.48, -122.15, "Office", "1 Hacker Way", to))
step("read receipt", {"id": engine.mark_as_read(received)["success"]})
step("delete", {"id": engine.delete_media(media)["success"]})
step("no credits left", engine.send_template("spring_offer", to, components=[]))
step("campaign stopped", engine.send_template("spring_offer", to, components=[]))
