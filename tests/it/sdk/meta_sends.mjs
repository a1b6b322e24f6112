// A campaign engine on Meta's own unmodified SDK for Node, `whatsapp`: only the token is the gateway's. The SDK reads it and
// the phone number ID from the environment.
//
// One JSON object a line on stdout gives the result of each step: the message ID, or the error as the SDK read it.
import WhatsApp from "whatsapp";

const engine = new WhatsApp();
const to = 16505550144;
const received = "wamid.HBgLMTY1MDU1NTAxNDQVAgARGBISU5CMQA==";
const template = { name: "spring_offer", language: { policy: "deterministic", code: "en_US" } };
const buttons = ["Yes", "No"].map((title) => ({ type: "reply", reply: { id: title, title } }));
const question = { type: "button", body: { text: "Shall we deliver tomorrow?" }, action: { buttons } };

async function step(name, sending) {
    const response = await sending;
    const { error, messages, success } = await response.responseBodyToJSON();
    const outcome = error
        ? {
              code: error.code,
              status: response.statusCode(),
              type: error.type,
              message: error.message,
              details: error.error_data.details,
              trace: error.fbtrace_id,
          }
        : { id: messages?.[0].id ?? success };
    console.log(JSON.stringify({ step: name, ...outcome }));
}

await step("text", engine.messages.text({ body: "Hello from the SDK", preview_url: true }, to));
await step("reply", engine.messages.text({ body: "Hello again" }, to, received));
await step("template", engine.messages.template(template, to));
await step("image", engine.messages.image({ link: "https://example.com/a.jpg", caption: "A picture" }, to));
await step("interactive", engine.messages.interactive(question, to));
const link = "https://example.com/a";
const person = { name: { formatted_name: "Ann Example", first_name: "Ann" }, phones: [{ phone: "+16505550145" }] };
await step("document", engine.messages.document({ link: `${link}.pdf`, filename: "a.pdf" }, to));
await step("audio", engine.messages.audio({ link: `${link}.mp3` }, to));
await step("video", engine.messages.video({ link: `${link}.mp4`, caption: "A film" }, to));
await step("sticker", engine.messages.sticker({ link: `${link}.webp` }, to));
await step("location", engine.messages.location({ latitude: 37.48, longitude: -122.15, name: "Office" }, to));
await step("contacts", engine.messages.contacts([person], to));
await step("read receipt", engine.messages.status({ status: "read", message_id: received }));
await step("no credits left", engine.messages.template(template, to));
await step("campaign stopped", engine.messages.template(template, to));
// Its connections are kept alive, and with them the process.
process.exit(0);
