//! The body of a pull and of a push: the image that is to be moved.

use serde_json::Value;

use super::fields::Fields;
use super::image::Reference;
use super::request::read_image;
use super::violation::Violations;
use crate::codes::Code;

/// Reads the body; an image with a digest can be pulled, and not pushed.
pub fn image(body: Value, is_pushed: bool) -> Result<Reference, Violations> {
    let mut violations = Violations::default();
    let mut fields = Fields::new(body, "", &mut violations);
    let image = read_image(&mut fields).value();
    fields.finish();
    let is_told = violations.as_slice().iter().any(|violation| violation.field == "image");
    let Some(image) = image.filter(|_| !is_told) else {
        if !is_told {
            violations.add("image", Code::MissingImage, "is required: name an image", Value::Null);
        }
        return Err(violations);
    };
    let reference = Reference::parse(&image);
    if is_pushed && reference.as_ref().is_ok_and(|reference| reference.digest.is_some()) {
        let message = "has a digest, which only the image itself can give: write name or name:tag";
        violations.add("image", Code::InvalidImage, message, image.as_str().into());
    }
    match reference {
        Ok(reference) => violations.into_result(reference),
        Err(problem) => {
            violations.add("image", Code::InvalidImage, problem, image.into());
            Err(violations)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_image_is_written_out_and_what_is_wrong_is_told() {
        let code = |body, is_pushed| image(body, is_pushed).unwrap_err().as_slice()[0].code;
        assert_eq!(image(json!({"image": "nginx"}), false).unwrap().to_string(), "nginx:latest");
        assert_eq!(code(json!({}), false), Code::MissingImage);
        assert_eq!(code(json!({"image": null}), false), Code::MissingImage);
        assert_eq!(code(json!({"image": ""}), false), Code::MissingImage);
        assert_eq!(code(json!({"image": 5}), false), Code::InvalidType);
        assert_eq!(code(json!({"image": "Nope"}), false), Code::InvalidImage);
        assert_eq!(code(json!({"image": "a", "tag": "1"}), false), Code::UnknownField);
        assert_eq!(code(json!([]), false), Code::InvalidType);
        let pinned = json!({"image": format!("a@sha256:{}", "a".repeat(64))});
        assert!(image(pinned.clone(), false).is_ok());
        assert_eq!(code(pinned, true), Code::InvalidImage);
    }
}
