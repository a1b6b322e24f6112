// A campaign engine on the unmodified SDK `whatsapp-api-js`: only the token is the gateway's.
//
// Arguments: phone number ID, gateway key. One JSON object a line on stdout gives the result of each step: the message ID, or
// the error as the SDK read it.
import { WhatsAppAPI } from "whatsapp-api-js";
import { ActionButtons, Body, Button, Image, Interactive, Language, Template, Text } from "whatsapp-api-js/messages";

const [phoneID, token] = process.argv.slice(2);
const engine = new WhatsAppAPI({ token, secure: false, v: "v24.0" });
const to = { phone: "16505550144" };
const received = "wamid.HBgLMTY1MDU1NTAxNDQVAgARGBISU5CMQA==";
const picture = new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0x20, 0x61]);
const template = () => new Template("spring_offer", new Language("en_US"));
const buttons = new ActionButtons(new Button("yes", "Yes"), new Button("no", "No"));

function step(name, { error, messages, success, id }) {
    const outcome = error
        ? {
              code: error.code,
              type: error.type,
              message: error.message,
              details: error.error_data.details,
              trace: error.fbtrace_id,
          }
        : { id: messages?.[0].id ?? id ?? success };
    console.log(JSON.stringify({ step: name, ...outcome }));
}

const form = new FormData();
form.set("file", new Blob([picture], { type: "image/jpeg" }), "a.jpg");
const uploaded = await engine.uploadMedia(phoneID, form);
step("upload", uploaded);
const { url } = await engine.retrieveMedia(uploaded.id);
const fetched = new Uint8Array(await (await engine.fetchMedia(url)).arrayBuffer());
step("download", { id: Buffer.compare(fetched, picture) === 0 });
step("text", await engine.sendMessage(phoneID, to, new Text("Hello from the SDK")));
step("reply", await engine.sendMessage(phoneID, to, new Text("Hello again", true), received, "order 7"));
step("template", await engine.sendMessage(phoneID, to, template()));
step("image", await engine.sendMessage(phoneID, to, new Image(uploaded.id, true, "A picture")));
const question = new Interactive(buttons, new Body("Shall we deliver tomorrow?"));
step("interactive", await engine.sendMessage(phoneID, to, question));
step("read receipt", await engine.markAsRead(phoneID, received, "text"));
step("delete", await engine.deleteMedia(uploaded.id, phoneID));
step("no credits left", await engine.sendMessage(phoneID, to, template()));
step("campaign stopped", await engine.sendMessage(phoneID, to, template()));
