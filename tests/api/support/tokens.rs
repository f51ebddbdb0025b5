//! Tokens, and the clients that log in with them.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::Api;

/// A token that was made.
pub struct Token {
    pub id: String,
    pub secret: String,
    /// The answer that made it.
    pub made: Value,
    /// A client that sends it as the password of its name.
    pub api: Api,
}

impl Api {
    /// Makes a token: what it is, and a client that logs in with it. A name is made up where `body` has none.
    pub async fn make_token(&self, mut body: Value) -> Token {
        if body.get("name").is_none() {
            body["name"] = super::unique("token").into();
        }
        let made = self.post_json("/tokens", &body).await.expect(201);
        let (id, secret) =
            (made["id"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned());
        let api = self.with_login(Some((made["name"].as_str().unwrap(), &secret)));
        Token { id, secret, made, api }
    }

    /// The same address with this token as Bearer.
    pub fn bearing(&self, secret: &str) -> Self {
        Self { bearer: Some(secret.to_owned()), ..self.with_login(None) }
    }

    /// The same client from another address of the loopback network.
    pub fn from(&self, address: [u8; 4]) -> Self {
        let client = super::api::client().local_address(IpAddr::from(address)).build().unwrap();
        Self { client, ..self.clone() }
    }

    /// Revokes a token.
    pub async fn revoke(&self, id: &str) {
        self.delete(&format!("/tokens/{id}")).await.expect(200);
    }

    /// Makes a role, or gives it other permissions.
    pub async fn role(&self, name: &str, permissions: &[&str]) {
        let request =
            self.request("PUT", &format!("/roles/{name}")).json(&json!({"permissions": permissions}));
        let answer = self.send(request).await;
        assert!(
            [200, 201].contains(&answer.status),
            "PUT /roles/{name}: {} {}",
            answer.status,
            answer.text()
        );
    }
}
