"""A campaign engine on the unmodified SDK `pywa`: only the base URL and the token are the gateway's.

Arguments: base URL with a campaign and the API version, phone number ID, gateway key. One JSON object a line on stdout
gives the result of each step: the message ID, or the error as the SDK read it.
"""

import json
import sys

import httpx
import pywa
from pywa import errors, types
from pywa.types import templates

base_url, phone_id, key = sys.argv[1:4]
session = httpx.Client(timeout=20)
engine = pywa.WhatsApp(phone_id=phone_id, token=key, session=session)
# The SDK takes an HTTP client of ours, so this file chooses the base URL.
session.base_url = base_url


def step(name, call):
    try:
        outcome = {"step": name, "id": call()}
    except errors.WhatsAppError as error:
        outcome = {
            "step": name,
            "class": type(error).__name__,
            "code": error.code,
            "status": error.status_code,
            "type": error.type,
            "message": error.message,
            "details": error.details,
            "rejection": error.raw["error_data"]["rejection"],
            "needed": error.raw["error_data"]["needed"],
            "header": error.raw_response.headers["tollgate-rejection"],
        }
    print(json.dumps(outcome), flush=True)


picture = b"\xff\xd8\xff\xe0 a picture"
media = engine.upload_media(picture, mime_type="image/jpeg", filename="a.jpg")
step("download", lambda: engine.get_media_bytes(engine.get_media_url(media.id).url) == picture)
to = "+1 (650) 555-0144"
english = templates.TemplateLanguage.ENGLISH_US
buttons = [types.Button(title="Yes", callback_data="yes"), types.Button(title="No", callback_data="no")]
step("text", lambda: engine.send_message(to, "Hello from the SDK").id)
step("template", lambda: engine.send_template(to, name="spring_offer", language=english).id)
step("image", lambda: engine.send_image(to, media, caption="A picture").id)
step("interactive", lambda: engine.send_message(to, "Shall we deliver tomorrow?", buttons=buttons).id)
link = "https://example.com/a"
received = "wamid.HBgLMTY1MDU1NTAxNDQVAgARGBISU5CMQA=="
person = types.Contact(
    name=types.Contact.Name(formatted_name="Ann Example", first_name="Ann"),
    phones=[types.Contact.Phone(phone="+16505550145", type="CELL")],
)
rows = [types.SectionRow(title="Morning", callback_data="1", description="Until noon")]
choice = types.SectionList(button_title="Choose", sections=[types.Section(title="Times", rows=rows)])
flow = types.FlowButton(title="Sign up", flow_id="1", flow_token="t", flow_action_screen="A")
cards = [types.ImageCarouselCard(image=link, body=n, buttons=types.URLButton("Open", link)) for n in "12"]
for kind, send in {
    "document": lambda: engine.send_document(to, f"{link}.pdf", filename="a.pdf", caption="A file"),
    "audio": lambda: engine.send_audio(to, media),
    "voice": lambda: engine.send_voice(to, media),
    "video": lambda: engine.send_video(to, f"{link}.mp4"),
    "sticker": lambda: engine.send_sticker(to, media),
    "location": lambda: engine.send_location(to, 37.48, -122.15, name="Office", address="1 Hacker Way"),
    "contacts": lambda: engine.send_contact(to, person),
    "reaction": lambda: engine.send_reaction(to, "👍", received),
    "reaction taken back": lambda: engine.remove_reaction(to, received),
    "list": lambda: engine.send_message(to, "When?", buttons=choice),
    "link": lambda: engine.send_message(to, "Look", header="New", footer="x", buttons=types.URLButton("Open", link)),
    "flow": lambda: engine.send_message(to, "Join", buttons=flow),
    "location request": lambda: engine.request_location(to, "Where?"),
    "contact request": lambda: engine.request_contact_info(to, "Which number?"),
    "catalog": lambda: engine.send_catalog(to, "All we have", thumbnail_product_sku="1"),
    "product": lambda: engine.send_product(to, "7", "1"),
    "products": lambda: engine.send_products(to, "7", [types.ProductsSection("New", ["1", "2"])], "Shop", "Look"),
    "carousel": lambda: engine.send_carousel(to, body="Look", cards=cards),
    "picture with buttons": lambda: engine.send_image(to, media, caption="This one?", buttons=buttons),
    "reply": lambda: engine.send_message(to, "Hello", reply_to_message_id=received, tracker="order 7"),
    "user id": lambda: engine.send_message("US.13491208655302741918", "Hello", preview_url=True),
    "parameters": lambda: engine.send_template(
        to, "order_update", templates.TemplateLanguage.PORTUGUESE_BR, [templates.BodyText.params("Ann")]
    ),
}.items():
    step(kind, lambda: send().id)
step("typing", lambda: engine.indicate_typing(received).success)
step("read receipt", lambda: engine.mark_message_as_read("wamid.HBgLMTY1MDU1NTAxNDQVAgARGBISU5CMQA==").success)
step("no credits left", lambda: engine.send_template(to, name="spring_offer", language=english).id)
step("campaign stopped", lambda: engine.send_template(to, name="spring_offer", language=english).id)
