"""A campaign engine on the unmodified SDK `pywa`: only the base URL and the token are the gateway's.

Arguments: base URL with the API version, the same with a campaign in front, phone number ID, gateway key. One JSON
object a line on stdout gives the result of each step: the message ID, or the error as the SDK read it.
"""

import json
import sys

import httpx
import pywa
from pywa import errors, types
from pywa.types import templates

base_url, campaign_url, phone_id, key = sys.argv[1:5]
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
# This SDK sets no headers of ours, so the base URL carries the campaign.
session.base_url = campaign_url
to = "+1 (650) 555-0144"
english = templates.TemplateLanguage.ENGLISH_US
buttons = [types.Button(title="Yes", callback_data="yes"), types.Button(title="No", callback_data="no")]
step("text", lambda: engine.send_message(to, "Hello from the SDK").id)
step("template", lambda: engine.send_template(to, name="spring_offer", language=english).id)
step("image", lambda: engine.send_image(to, media, caption="A picture").id)
step("interactive", lambda: engine.send_message(to, "Shall we deliver tomorrow?", buttons=buttons).id)
step("read receipt", lambda: engine.mark_message_as_read("wamid.HBgLMTY1MDU1NTAxNDQVAgARGBISU5CMQA==").success)
step("no credits left", lambda: engine.send_template(to, name="spring_offer", language=english).id)
step("campaign stopped", lambda: engine.send_template(to, name="spring_offer", language=english).id)
