//! What scripts decode: MessagePack, JSON, and packed structures. What was
//! decoded is encoded and decoded to the same again.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tuckbox_engine::{Engine, Options};
use tuckbox_resp::{Reply, cmd};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let options = Options {
        memory_limit: 16 << 20,
        script_time_ms: 1_000,
        script_memory: 16 << 20,
        random_seed: Some(1),
        ..Options::default()
    };
    Engine::in_memory(options).expect("an engine")
});

/// Compares down to `depth`; below it encoders give up. Numbers as text of so many
/// digits as JSON has of them.
const SAME: &str = r#"
local function same(a, b, depth, exact)
    if depth == 0 then return true end
    if type(a) ~= type(b) then return false end
    if type(a) == 'number' then
        if a ~= a then return b ~= b end
        if exact then return a == b end
        return string.format('%.14g', a) == string.format('%.14g', b)
    end
    if type(a) ~= 'table' then return a == b end
    for k, v in pairs(a) do
        local other = b[k]
        -- A key that is a table or a long fraction is found by looking.
        if other == nil and type(k) ~= 'string' and (type(k) ~= 'number' or k % 1 ~= 0) then
            other = v
        end
        if not same(v, other, depth - 1, exact) then return false end
    end
    for k in pairs(b) do
        if a[k] == nil and type(k) == 'string' then return false end
    end
    return true
end
"#;

const MSGPACK: &str = r#"
local ok, values = pcall(function() return {cmsgpack.unpack(ARGV[1])} end)
if not ok then return 'no' end
if #values == 0 then return 'nothing' end
local packed = cmsgpack.pack(values[1])
local again = cmsgpack.unpack(packed)
if not same(values[1], again, 14, true) then return 'another value' end
return 'yes'
"#;

const JSON: &str = r#"
local ok, value = pcall(cjson.decode, ARGV[1])
if not ok then return 'no' end
local ok, text = pcall(cjson.encode, value)
if not ok then return 'not again' end
local again = cjson.decode(text)
if not same(value, again, 900, false) then return 'another value: ' .. text end
return 'yes'
"#;

/// Lengths that are taken from the number before (`c0`) are not given back.
const STRUCT: &str = r#"
local ok, values = pcall(function() return {struct.unpack(ARGV[2], ARGV[1])} end)
if not ok or #values < 2 then return 'no' end
local after = table.remove(values)
if ARGV[2]:find('c0') then return 'c0' end
for _, v in ipairs(values) do
    if type(v) == 'number' and (v >= 2^53 or v <= -2^53 or v ~= v) then return 'lossy' end
end
local packed = struct.pack(ARGV[2], unpack(values))
local again = {struct.unpack(ARGV[2], packed)}
table.remove(again)
if not same(values, again, 3, true) then return 'another value' end
if struct.size and not ARGV[2]:find('[sc]') and struct.size(ARGV[2]) ~= #packed then
    return 'another size'
end
return 'yes'
"#;

static SCRIPTS: LazyLock<[String; 3]> =
    LazyLock::new(|| [MSGPACK, JSON, STRUCT].map(|script| format!("{SAME}{script}")));

fuzz_target!(|input: (&[u8], &[u8])| {
    let (format, bytes) = input;
    let mut connection = ENGINE.connection();
    for script in &*SCRIPTS {
        let reply = connection.execute(&cmd!("EVAL", script, 0, bytes, format)).reply;
        match reply {
            Reply::Bulk(text) => {
                let fine = [&b"yes"[..], b"no", b"nothing", b"not again", b"c0", b"lossy"];
                assert!(fine.contains(&&*text), "{}", String::from_utf8_lossy(&text));
            }
            // One that needs more than a script may have.
            Reply::Error(error) => {
                let limits =
                    ["memory", "took longer", "time", "too many results", "stack overflow"];
                assert!(limits.iter().any(|limit| error.text().contains(limit)), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
});
