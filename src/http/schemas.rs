//! The schemas that the derive has no words for.
//!
//! They say what `container::rules` says, as far as JSON Schema has words for it.

use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayBuilder, KnownFormat, Object, ObjectBuilder, OneOfBuilder,
    Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::{PartialSchema, ToSchema};

use crate::service::Permission;

/// The name of a role.
const ROLE: &str = "^[a-z][a-z0-9_-]{0,63}$";
/// Text that a process and YAML can hold.
pub(super) const TEXT: &str = r"^[^\u0000\u007f-\u009f]*$";
/// The grammar of `distribution/reference`: host and port, name, tag, digest.
const IMAGE: &str = concat!(
    r"^(([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)+(:[0-9]{1,5})?",
    r"|[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?:[0-9]{1,5})/)?",
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*",
    r"(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?(@sha256:[a-f0-9]{64}|@sha512:[a-f0-9]{128})?$",
);
/// One or more parts of an absolute path, none of them empty, `.` or `..`.
pub(super) const PARTS: &str = r"(/(?!\.{1,2}(/|$))[^/\u0000-\u001f\u007f-\u009f]+)+$";
/// A size of at least a byte. What begins with a zero is taken as well.
pub(super) const SIZE: &str = concat!(
    r"[1-9][0-9]{0,14}[bB]?|[1-9][0-9]{0,11}(\.[0-9]{1,6})?[kK][bB]?|[1-9][0-9]{0,8}(\.[0-9]{1,6})?[mM][bB]?",
    r"|[1-9][0-9]{0,5}(\.[0-9]{1,6})?[gG][bB]?|[1-9][0-9]{0,2}(\.[0-9]{1,6})?[tT][bB]?",
);
/// 6 MiB to 8 PiB. What is a little over 6 MiB is taken in more spellings than these.
const MEMORY: &str = concat!(
    r"^([1-9][0-9]{7,14}[bB]?|[1-9][0-9]{4,11}[kK][bB]?|([6-9]|[1-9][0-9]{1,8})(\.[0-9]{1,6})?[mM][bB]?",
    r"|[1-9][0-9]{0,5}(\.[0-9]{1,6})?[gG][bB]?|[1-9][0-9]{0,2}(\.[0-9]{1,6})?[tT][bB]?)$",
);

/// RFC 3339 of days that every month has, Unix seconds, or a duration.
const MOMENT: &str = concat!(
    r"^([1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]",
    r"(\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-9]|2[0-3]):[0-5][0-9])",
    r"|[0-9]{1,10}(\.[0-9]{1,9})?|([0-9]{1,6}(\.[0-9]{1,3})?(h|m|s|ms|us|ns)){1,4})$",
);

/// Bytes as they are.
pub struct Binary;

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
        Schema::from(ObjectBuilder::new().schema_type(Type::String).format(Some(binary))).into()
    }
}

impl ToSchema for Binary {}

fn text(pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).pattern(Some(pattern))
}

/// Text of a pattern, or `null`.
fn text_or_null(pattern: &str, example: &str) -> Schema {
    let kinds = SchemaType::from_iter([Type::String, Type::Null]);
    text(pattern).schema_type(kinds).examples([example]).build().into()
}

fn null() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::Null)).build()
}

/// An image reference.
pub fn image() -> Schema {
    let example = "python:3.12-slim";
    text(IMAGE)
        .description(Some("at most 255 characters without tag and digest"))
        .examples([example])
        .build()
        .into()
}

/// Arguments of a build.
pub fn build_args() -> Schema {
    let arg = text(r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}=[^\u0000\u007f-\u009f]*$");
    ArrayBuilder::new().items(arg).into()
}

/// An image reference without digest.
pub fn image_to_make() -> Schema {
    let pattern = IMAGE.replacen('^', "^(?!.*@)", 1);
    let description = "at most 255 characters without tag";
    text(&pattern).description(Some(description)).examples(["web:snapshot"]).build().into()
}

/// Some words, or `null`.
pub fn remark() -> Schema {
    let kinds = SchemaType::from_iter([Type::String, Type::Null]);
    text(TEXT).schema_type(kinds).max_length(Some(1000)).build().into()
}

/// An instruction of a Dockerfile.
fn change() -> ObjectBuilder {
    const CHANGE: &str = concat!(
        "^([Cc][Mm][Dd]|[Ee][Nn][Tt][Rr][Yy][Pp][Oo][Ii][Nn][Tt]|[Ee][Nn][Vv]|[Ee][Xx][Pp][Oo][Ss][Ee]",
        "|[Hh][Ee][Aa][Ll][Tt][Hh][Cc][Hh][Ee][Cc][Kk]|[Ll][Aa][Bb][Ee][Ll]|[Oo][Nn][Bb][Uu][Ii][Ll][Dd]",
        "|[Ss][Tt][Oo][Pp][Ss][Ii][Gg][Nn][Aa][Ll]|[Uu][Ss][Ee][Rr]|[Vv][Oo][Ll][Uu][Mm][Ee]",
        "|[Ww][Oo][Rr][Kk][Dd][Ii][Rr]) ",
    );
    const REST: &str = r"[^\u0000-\u001f\u007f-\u009f]*[^\s\\\u0000-\u001f\u007f-\u009f]$";
    text(&format!("{CHANGE}{REST}")).max_length(Some(1000))
}

/// Instructions of a Dockerfile, or `null`.
pub fn changes() -> Schema {
    let list = SchemaType::from_iter([Type::Array, Type::Null]);
    ArrayBuilder::new().schema_type(list).items(change()).max_items(Some(100)).build().into()
}

/// Some words as a query's parameter.
pub fn remark_parameter() -> Schema {
    text(TEXT).max_length(Some(1000)).build().into()
}

/// Instructions of a Dockerfile as a query's parameters.
pub fn changes_parameter() -> Schema {
    ArrayBuilder::new().items(change()).max_items(Some(100)).build().into()
}

/// Labels to look for as a query's parameters.
pub fn label_parameter() -> Schema {
    ArrayBuilder::new().items(text(r"^[^\u0000=][^\u0000]*$")).build().into()
}

/// Actions of the audit log, or their beginnings, as a query's parameters.
pub fn actions_parameter() -> Schema {
    ArrayBuilder::new().items(text(r"^[a-z_]+\.[a-z_]*$")).max_items(Some(100)).build().into()
}

/// A user, a group with it.
fn user_pattern() -> String {
    const PART: &str = "([a-zA-Z_][a-zA-Z0-9_.-]{0,63}|[01]?[0-9]{1,9})";
    format!("^{PART}(:{PART})?$")
}

/// A user, a group with it, or `null`.
pub fn user() -> Schema {
    text_or_null(&user_pattern(), "1000:1000")
}

/// A user, a group with it, as a query's parameter.
pub fn user_parameter() -> Schema {
    text(&user_pattern()).build().into()
}

/// An absolute path, or `null`.
pub fn working_dir() -> Schema {
    text_or_null(&format!("^/$|^{PARTS}"), "/app")
}

/// An absolute path as a query's parameter.
pub fn working_dir_parameter() -> Schema {
    text(&format!("^/$|^{PARTS}")).build().into()
}

/// A program and its arguments as a query's parameters.
pub fn cmd_parameter() -> Schema {
    const TEXT: &str = r"^[^\u0000]*$";
    let program = text(TEXT).min_length(Some(1)).build();
    ArrayBuilder::new().prefix_items([Schema::from(program)]).items(text(TEXT)).build().into()
}

/// `NAME=value` as a query's parameters.
pub fn env_parameter() -> Schema {
    ArrayBuilder::new().items(text(r"^[^=\u0000-\u001f\u007f-\u009f]+=[^\u0000]*$")).build().into()
}

/// An absolute path that can be mounted over.
pub fn mount_path() -> Schema {
    text_or_null(&format!("^(?!/(proc|sys|dev)(/|$))(?!.*:){PARTS}"), "/app")
}

/// A size: text, or a number of bytes.
pub fn memory() -> Schema {
    size(MEMORY, 6_291_456, "512m").item(null()).build().into()
}

/// A size, or -1.
pub fn memory_swap() -> Schema {
    let minus_one = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
    let minus_one = minus_one.minimum(Some(-1)).maximum(Some(-1));
    size(MEMORY, 6_291_456, "1g").item(text("^-1$")).item(minus_one).item(null()).build().into()
}

/// A size from one byte on.
pub fn shm_size() -> Schema {
    size(&format!("^({SIZE})$"), 1, "64m").item(null()).build().into()
}

fn size(pattern: &str, least: i64, example: &str) -> OneOfBuilder {
    let bytes = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
    let bytes = bytes.minimum(Some(least)).maximum(Some(9_007_199_254_740_991_i64));
    OneOfBuilder::new().item(text(pattern)).item(bytes).examples([json!(example)])
}

/// A list of processors.
pub fn cpuset() -> Schema {
    text_or_null(&cpuset_pattern("0|[1-9][0-9]{0,3}"), "0")
}

/// The pattern of a list of processors, by the pattern of one.
pub fn cpuset_pattern(number: &str) -> String {
    let part = format!("({number})(-({number}))?");
    format!("^{part}(,{part})*$")
}

/// Microseconds, or -1.
pub fn cpu_quota() -> Schema {
    let of = |least, most| {
        let number = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
        number.minimum(Some(least)).maximum(Some(most))
    };
    let any = OneOfBuilder::new().item(of(1000, 17_592_186_044_415_i64)).item(of(-1, -1)).item(null());
    any.examples([json!(50_000)]).build().into()
}

/// A signal, by name or number.
pub fn signal() -> Schema {
    const NAMES: &str = "HUP|INT|QUIT|ILL|TRAP|ABRT|IOT|BUS|FPE|KILL|USR[12]|SEGV|PIPE|ALRM|TERM|STKFLT|CHLD|CLD|\
                         CONT|STOP|TSTP|TTIN|TTOU|URG|XCPU|XFSZ|VTALRM|PROF|WINCH|IO|POLL|PWR|SYS|UNUSED";
    const REAL_TIME: &str = r"RTMIN([+]([1-9]|1[0-5]))?|RTMAX(-([1-9]|1[0-4]))?";
    const NUMBERS: &str = "[1-9]|[12][0-9]|3[014-9]|[45][0-9]|6[0-4]";
    text(&format!("^((SIG)?({NAMES}|{REAL_TIME})|{NUMBERS})$")).default(Some(json!("KILL"))).build().into()
}

/// An IP address.
pub fn address() -> Schema {
    let of = |format| text_format(SchemaFormat::KnownFormat(format));
    let any = AnyOfBuilder::new().item(of(KnownFormat::Ipv4)).item(of(KnownFormat::Ipv6)).item(null());
    any.examples([json!("127.0.0.1")]).build().into()
}

fn text_format(format: SchemaFormat) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).format(Some(format))
}

/// A command line: a string, a list of strings, or `null`.
pub fn command() -> Schema {
    command_line().item(null()).examples([json!(["python", "-m", "http.server", "80"])]).build().into()
}

/// A command line: a string or a list of strings.
pub fn cmd() -> Schema {
    command_line().examples([json!(["python", "-V"])]).build().into()
}

fn command_line() -> OneOfBuilder {
    let line = text(TEXT).min_length(Some(1)).description(Some("run by `/bin/sh -c`"));
    let program = text(TEXT).min_length(Some(1)).build();
    let argv = ArrayBuilder::new().prefix_items([Schema::from(program)]).items(text(TEXT)).min_items(Some(1));
    let argv = argv.description(Some("the program and its arguments"));
    OneOfBuilder::new().item(line).item(argv)
}

/// The environment of a request: strings, numbers and booleans, all kept as strings; `null` removes.
pub fn env() -> Schema {
    let kinds = [Type::String, Type::Number, Type::Boolean, Type::Null];
    let value = text(TEXT).schema_type(SchemaType::from_iter(kinds));
    map(r"^[^=\u0000-\u001f\u007f-\u009f]+$", value, json!({"APP_ENV": "production", "DEBUG": false}))
}

/// Labels.
pub fn labels() -> Schema {
    let key = r"^(?!com\.docker\.compose\.|io\.wharfinger\.)[^\u0000-\u001f\u007f-\u009f]+$";
    map(key, text(TEXT), json!({"owner": "web"}))
}

fn map(key: &str, value: ObjectBuilder, example: serde_json::Value) -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Object, Type::Null]))
        .property_names(Some(text(key).build()))
        .additional_properties(Some(AdditionalProperties::RefOr(Schema::from(value.build()).into())))
        .examples([example])
        .build()
        .into()
}

/// A list of tags.
pub fn tags() -> Schema {
    let list = SchemaType::from_iter([Type::Array, Type::Null]);
    let tag = text(r"^[^,\u0000-\u001f\u007f-\u009f]{1,128}$");
    ArrayBuilder::new().schema_type(list).items(tag).examples([json!(["web"])]).build().into()
}

/// A point in time: RFC 3339, Unix seconds, or a duration back from now.
pub fn moment() -> Schema {
    text(MOMENT).examples(["10m"]).build().into()
}

/// A list of permissions.
pub fn permissions() -> Schema {
    permission_list().schema_type(Type::Array).build().into()
}

/// A list of permissions, or `null`.
pub fn permissions_or_null() -> Schema {
    permission_list().build().into()
}

fn permission_list() -> ArrayBuilder {
    let words = Permission::ALL.iter().map(|permission| permission.as_str());
    let word = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some(words));
    list_or_null(word).examples([json!(["docker:execute"])])
}

/// A list of the names of roles, or `null`.
pub fn roles_or_null() -> Schema {
    list_or_null(text(ROLE)).examples([json!(["write"])]).build().into()
}

/// Containers: cuids, names, or `tag:` and a tag; or `null`.
pub fn selectors_or_null() -> Schema {
    let pattern = r"^(tag:[^,\u0000-\u001f\u007f-\u009f]{1,128}|[a-zA-Z0-9][a-zA-Z0-9_.-]{1,63})$";
    list_or_null(text(pattern)).examples([json!(["web-1", "tag:blue"])]).build().into()
}

fn list_or_null(item: ObjectBuilder) -> ArrayBuilder {
    let list = SchemaType::from_iter([Type::Array, Type::Null]);
    ArrayBuilder::new().schema_type(list).items(item).max_items(Some(1000))
}

/// A time to live: seconds, or a number and a unit; or `null`.
pub fn life_or_null() -> Schema {
    let seconds = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
    let seconds = seconds.minimum(Some(1)).maximum(Some(315_360_000));
    let any = AnyOfBuilder::new()
        .item(seconds)
        .item(text(r"^([1-9][0-9]{0,7}s?|[1-9][0-9]{0,2}[mhd]|[1-9][0-9]?w)$"));
    any.item(null()).examples([json!("30d")]).build().into()
}
