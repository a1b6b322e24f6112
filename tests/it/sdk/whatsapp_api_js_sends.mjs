// A campaign engine on the unmodified SDK `whatsapp-api-js`: only the token is the gateway's.
//
// Arguments: phone number ID, gateway key. One JSON object a line on stdout gives the result of each step: the message ID, or
// the error as the SDK read it.
import { WhatsAppAPI } from "whatsapp-api-js";
import * as m from "whatsapp-api-js/messages";

const [phoneID, token] = process.argv.slice(2);
const engine = new WhatsAppAPI({ token, secure: false, v: "v24.0" });
const to = { phone: "16505550144" };
const received = "wamid.HBgLMTY1MDU1NTAxNDQVAgARGBISU5CMQA==";
const picture = new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0x20, 0x61]);
const link = "https://example.com/a";
const template = () => new m.Template("spring_offer", new m.Language("en_US"));
const buttons = new m.ActionButtons(new m.Button("yes", "Yes"), new m.Button("no", "No"));

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
step("text", await engine.sendMessage(phoneID, to, new m.Text("Hello from the SDK")));
step("reply", await engine.sendMessage(phoneID, to, new m.Text("Hello again", true), received, "order 7"));
step("template", await engine.sendMessage(phoneID, to, template()));
step("image", await engine.sendMessage(phoneID, to, new m.Image(uploaded.id, true, "A picture")));
const question = (action, ...more) => new m.Interactive(action, new m.Body("Shall we?"), ...more);
step("interactive", await engine.sendMessage(phoneID, to, question(buttons)));
const rows = new m.ListSection("Times", new m.Row("1", "Morning", "Until noon"), new m.Row("2", "Evening"));
const products = new m.ProductSection("New", new m.Product("1"), new m.Product("2"));
const parameters = [
    new m.HeaderComponent(new m.HeaderParameter(new m.Image(link))),
    new m.BodyComponent(new m.BodyParameter("Ann"), new m.BodyParameter(new m.Currency(1000, "USD", "$1"))),
    new m.URLComponent("a"),
];
for (const [name, message] of Object.entries({
    document: new m.Document(`${link}.pdf`, false, "A file", "a.pdf"),
    audio: new m.Audio(uploaded.id, true, true),
    video: new m.Video(`${link}.mp4`),
    sticker: new m.Sticker(uploaded.id, true),
    location: new m.Location(-122.15, 37.48, "Office", "1 Hacker Way"),
    contacts: new m.Contacts([new m.Name("Ann Example", "Ann"), new m.Phone("+16505550145", "CELL")]),
    reaction: new m.Reaction(received, "👍"),
    "reaction taken back": new m.Reaction(received),
    list: question(new m.ActionList("Choose", rows), new m.Header("New"), new m.Footer("x")),
    link: question(new m.ActionCTA("Open", link), new m.Header("New")),
    "picture with buttons": question(buttons, new m.Header(new m.Image(link))),
    flow: question(new m.ActionNavigateFlow("t", "1", "Sign up", "A", { a: 1 })),
    catalog: question(new m.ActionCatalog(new m.Product("1"))),
    product: new m.Interactive(new m.ActionProduct(new m.CatalogProduct("1", "7"))),
    products: question(new m.ActionProductList("7", products), new m.Header("Shop")),
    "location request": question(new m.ActionLocation()),
    "call permission": question(new m.ActionCallPermission()),
    "contact request": question(new m.ActionContactRequest()),
    parameters: new m.Template("order_update", "pt_BR", ...parameters),
})) {
    step(name, await engine.sendMessage(phoneID, to, message));
}
step("user id", await engine.sendMessage(phoneID, { bsuid: "US.13491208655302741918" }, new m.Text("Hello")));
step("read receipt", await engine.markAsRead(phoneID, received, "text"));
step("delete", await engine.deleteMedia(uploaded.id, phoneID));
step("no credits left", await engine.sendMessage(phoneID, to, template()));
step("campaign stopped", await engine.sendMessage(phoneID, to, template()));
