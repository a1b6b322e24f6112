//! A campaign engine on the unmodified SDK `whatsapp`: only the token is the gateway's. The SDK
//! knows one host, graph.facebook.com; `HTTPS_PROXY` leads to it, `SSL_CERT_FILE` vouches for it.
//!
//! Arguments: phone number ID, gateway key, the ID of a media object. One JSON object a line on
//! stdout gives the result of each step: the message ID, or the error as the SDK read it.

use serde_json::{Value, json};
use whatsapp::models::{
    Context, Image, Interactive, InteractiveActionButton, Message, Template, Text,
};
use whatsapp::{WhatsappClient, WhatsappError};

const TO: &str = "16505550144";
const RECEIVED: &str = "wamid.HBgLMTY1MDU1NTAxNDQVAgARGBISU5CMQA==";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, number, key, media] = &arguments[..] else { panic!("phone number ID, key, media ID") };
    let engine = WhatsappClient::new(key, number);
    let template = || Message::from_template(TO, Template::new("spring_offer", "en_US"), None);
    let button = |title: &str| InteractiveActionButton::new(title, title);
    let buttons = vec![button("Yes"), button("No")];
    let question = Interactive::for_button(buttons, "Shall we deliver tomorrow?");
    let reply = Some(Context::new(RECEIVED));

    step("media", engine.get_media(media).await.map(|media| json!(media.id)));
    send(&engine, "text", Message::from_text(TO, Text::new("Hello from the SDK"), reply)).await;
    send(&engine, "template", template()).await;
    let picture = Image::for_id(media, Some("A picture".to_owned()));
    send(&engine, "image", Message::from_image(TO, picture, None)).await;
    send(&engine, "interactive", Message::from_interactive(TO, question, None)).await;
    let read = engine.mark_message_as_read(RECEIVED).await;
    step("read receipt", read.map(|answer| json!(answer.success)));
    send(&engine, "no credits left", template()).await;
    send(&engine, "campaign stopped", template()).await;
}

async fn send(engine: &WhatsappClient, name: &str, message: Message) {
    let sent = engine.send_message(&message).await;
    step(name, sent.map(|answer| json!(answer.messages[0].id)));
}

fn step(name: &str, outcome: Result<Value, WhatsappError>) {
    let outcome = match outcome {
        Ok(id) => json!({ "step": name, "id": id }),
        Err(WhatsappError::ApiError(error)) => json!({
            "step": name,
            "code": error.code,
            "status": error.status,
            "type": error.error_type,
            "message": error.message,
            "details": error.error_data.as_ref().and_then(|data| data.details.clone()),
            "trace": error.fbtrace_id,
        }),
        Err(other) => panic!("{name}: {other:?}"),
    };
    println!("{outcome}");
}
