#!/usr/bin/env python3
"""Writes the labelled corpus of tests/unit/codec/mask.c: texts with what a mask has to take out of them marked, and texts
without. Shares no code with ours: check digits, tokens and keys are made here, by their makers' rules. The same each time.

Records end with 0x1e. A mark is 0x02 RULE 0x03 TEXT 0x04. Nothing here is anybody's: numbers are made, names are common ones.
"""
import base64
import json
import random
import string
import sys
import uuid

R = random.Random(20261122)
out = []


def mark(rule, text):
    return f"\x02{rule}\x03{text}\x04"


def digits(n, first=string.digits[1:]):
    return R.choice(first) + "".join(R.choice(string.digits) for _ in range(n - 1))


def chars(n, alphabet=string.ascii_letters + string.digits):
    while True:
        s = "".join(R.choice(alphabet) for _ in range(n))
        if any(c.isdigit() for c in s) and any(c.isalpha() for c in s):
            return s


def hexa(n):
    return "".join(R.choice("0123456789abcdef") for _ in range(n))


URLSAFE = string.ascii_letters + string.digits + "-_"
WORD = string.ascii_letters + string.digits + "_-"


def b64u(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


# ---- positives ----

FIRST = "jane john maria li wei anna omar fatima peter sven olga ravi priya ken yuki chloe luis zoe".split()
LAST = "doe smith garcia mueller chen kumar rossi novak jansen silva tanaka dubois kowalski olsen brown".split()
TLDS = "com org net de fr co.uk io example museum email com.br co.jp dev app info se pl".split()


def email():
    f, l = R.choice(FIRST), R.choice(LAST)
    local = R.choice([f, f"{f}.{l}", f"{f[0]}{l}", f"{f}_{l}{R.randint(1, 99)}", f"{f}+{R.choice(['news', 'shop', 'x1'])}", f"{l}-{f}", f"{f}%{l}",
                      f"O'{l.title()}", f"{f.upper()}.{l.upper()}"])
    domain = R.choice(["example", "mail", "shop-24", "my.corp", "sub.dept.uni", "x1", "acme-inc"]) + "." + R.choice(TLDS)
    return f"{local}@{domain}"


def luhn_digit(body):
    s = 0
    for i, c in enumerate(reversed(body)):
        v = int(c)
        if i % 2 == 0:
            v = v * 2 - 9 if v > 4 else v * 2
        s += v
    return str(-s % 10)


def card_number():
    prefix, n = R.choice([("4", 16), ("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15), ("6011", 16), ("65", 16),
                          ("36", 14), ("3056", 14), ("3528", 16), ("3589", 16), ("6221", 16), ("6250", 17), ("2200", 16), ("6448", 16), ("4", 19)])
    body = prefix + "".join(R.choice(string.digits) for _ in range(n - 1 - len(prefix)))
    return body + luhn_digit(body)


def card():
    n = card_number()
    if len(n) == 17:
        return n
    form = {16: [4, 4, 4, 4], 15: [4, 6, 5], 14: [4, 6, 4], 19: [4, 4, 4, 4, 3]}[len(n)]
    sep = R.choice(["", "", " ", "-", "\u00a0", "."])
    parts, at = [], 0
    for f in form:
        parts.append(n[at:at + f])
        at += f
    return sep.join(parts)


def ssn():
    while True:
        area = R.randint(1, 899)
        if area != 666:
            break
    return f"{area:03d}-{R.randint(1, 99):02d}-{R.randint(1, 9999):04d}"


def nanp():
    while True:
        a, e = str(R.randint(200, 999)), str(R.randint(200, 999))
        if a[1:] != "11" and e[1:] != "11":
            return a, e, f"{R.randint(0, 9999):04d}"


def phone_us():
    a, e, s = nanp()
    return R.choice([f"({a}) {e}-{s}", f"{a}-{e}-{s}", f"{a}.{e}.{s}", f"+1 {a} {e} {s}", f"+1-{a}-{e}-{s}", f"+1{a}{e}{s}", f"1-{a}-{e}-{s}",
                     f"+1 ({a}) {e}-{s}", f"({a}){e}-{s}"])


def phone_world():
    cc, forms = R.choice([("44", ["20 #### ####", "7### ######", "7#########", "121 ### ####"]), ("49", ["30 #######", "171 #######", "(0)89 ######", "1512#######"]),
                          ("33", ["6 ## ## ## ##", "1 ## ## ## ##", "6########"]), ("81", ["3-####-####", "90-####-####"]),
                          ("86", ["138 #### ####", "138########", "10 #### ####"]), ("91", ["98### #####", "98########"]), ("55", ["11 9####-####"]), ("61", ["4## ### ###"]),
                          ("34", ["6## ### ###"]), ("39", ["06 ########", "3## #######"]), ("46", ["70-### ## ##", "8-### ## ##"]), ("353", ["1 ### ####"]),
                          ("380", ["50 ### ## ##"]), ("971", ["50 ### ####"]), ("7", ["495 ###-##-##", "9## ### ## ##"]), ("48", ["### ### ###"])])
    form = "".join(R.choice("23456789") if c == "#" else c for c in R.choice(forms))
    return f"+{cc}{R.choice(['', ' ', '-']) if form[0] not in '(' else ' '}{form}"


def phone_local():
    return R.choice(["030 #######", "0171 2######", "01 ## ## ## ##", "020 7### ####", "089/######", "0211-#######", "06########", "(030) ######", "98########",
                     "2## ### ####"]).replace("#", "\x00")


def phone_written():
    return R.choice(["01 ## ## ## ##", "06.##.##.##.##", "020 7### ####", "0161 ### ####", "04## ### ###", "01### ######", "01### ### ###", "030 #######", "0171 #######", "089/########",
                     "03-####-####", "090-####-####", "(02) #### ####", "(11) 9####-####", "(030) #######", "0211-#######"]).replace("#", "\x00")


def fill(form):
    return "".join(R.choice("23456789") if c == "\x00" else c for c in form)


IBANS = {"DE": "nnnnnnnnnnnnnnnnnn", "FR": "nnnnnnnnnnccccccccccc" + "nn", "GB": "aaaannnnnnnnnnnnnn", "NL": "aaaannnnnnnnnn", "ES": "n" * 20, "IT": "a" + "n" * 22,
         "CH": "n" * 17, "AT": "n" * 16, "BE": "n" * 12, "PL": "n" * 24, "SE": "n" * 20, "NO": "n" * 11, "MT": "aaaa" + "n" * 5 + "c" * 18, "IE": "aaaa" + "n" * 14,
         "PT": "n" * 21, "LV": "aaaa" + "n" * 13, "SA": "nn" + "n" * 18, "TR": "n" * 22, "FI": "n" * 14, "AE": "n" * 19}


def iban():
    cc, form = R.choice(list(IBANS.items()))
    bban = "".join(R.choice(string.digits) if c == "n" else R.choice(string.ascii_uppercase) if c == "a" else R.choice(string.digits + string.ascii_uppercase)
                   for c in form)
    num = "".join(str(int(c, 36)) for c in bban + cc + "00")
    s = f"{cc}{98 - int(num) % 97:02d}{bban}"
    if R.random() < 0.5:
        s = " ".join(s[i:i + 4] for i in range(0, len(s), 4))
    return s


def jwt():
    head = json.dumps({"alg": R.choice(["HS256", "RS256", "ES256", "EdDSA"]), "typ": R.choice(["JWT", "at+jwt"])}, separators=(",", ":")).encode()
    if R.random() < 0.3:
        head = b'{"typ":"JWT","alg":"HS256","kid":"' + chars(8).encode() + b'"}'
    body = json.dumps({"sub": digits(10), "name": R.choice(FIRST), "iat": R.randint(1500000000, 1900000000)}).encode()
    return ".".join([b64u(head), b64u(body), b64u(R.randbytes(R.choice([32, 64, 256])))])


def cloud_key():
    return R.choice([lambda: "AKIA" + chars(16, string.ascii_uppercase + "234567"), lambda: "ASIA" + chars(16, string.ascii_uppercase + "234567"),
                     lambda: "AIza" + chars(35, WORD.replace("-", "")), lambda: "GOCSPX-" + chars(28, WORD.replace("-", "")), lambda: "ya29." + "a0" + chars(60, WORD),
                     lambda: "LTAI" + chars(16), lambda: "dop_v1_" + hexa(64), lambda: "hvs." + chars(40, string.ascii_letters + string.digits), lambda: "dapi" + hexa(32)])()


def api_key():
    return R.choice([lambda: "ghp_" + chars(36), lambda: "gho_" + chars(36), lambda: "github_pat_" + chars(22) + "_" + chars(59), lambda: "glpat-" + chars(20),
                     lambda: "xoxb-" + digits(12) + "-" + digits(12) + "-" + chars(24), lambda: "xoxp-" + digits(11) + "-" + digits(11) + "-" + hexa(32),
                     lambda: "sk_live_" + chars(24), lambda: "rk_test_" + chars(24), lambda: "npm_" + chars(36), lambda: "pypi-AgEIcHlwaS5vcmc" + chars(60),
                     lambda: "SG." + chars(22) + "." + chars(43), lambda: "key-" + hexa(32), lambda: "sk-proj-" + chars(48), lambda: "sk-" + chars(48),
                     lambda: "hf_" + chars(34), lambda: "shpat_" + hexa(32), lambda: "whsec_" + chars(32), lambda: "dckr_pat_" + chars(27),
                     lambda: digits(9) + ":AA" + chars(33), lambda: "glsa_" + chars(32) + "_" + hexa(8), lambda: "lin_api_" + chars(40)])()


def bearer():
    return R.choice([lambda: chars(32), lambda: hexa(40), lambda: chars(24, WORD.replace("-", "")) + "." + chars(20), lambda: base64.b64encode(R.randbytes(30)).decode()])()


def basic():
    return base64.b64encode(f"{R.choice(FIRST)}:{chars(9)}".encode()).decode()


def private_key():
    kind = R.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "DSA PRIVATE KEY"])
    body = base64.b64encode(R.randbytes(R.choice([121, 384, 1190]))).decode()
    lines = [body[i:i + 64] for i in range(0, len(body), 64)]
    extra = ["Proc-Type: 4,ENCRYPTED", f"DEK-Info: AES-256-CBC,{hexa(32).upper()}", ""] if kind == "RSA PRIVATE KEY" and R.random() < 0.5 else []
    nl = R.choice(["\n", "\n", "\r\n", "\\n"])
    return nl.join([f"-----BEGIN {kind}-----", *extra, *lines, f"-----END {kind}-----"])


SENTENCES = ["Please write to {} today.", "{}", "value={}", "Contact: {}, thanks", "\"{}\"", "<td>{}</td>", "user {} logged in", "({})", "name;{};2024",
             "{}\nnext line", "before\n{}", "first\t{}\tlast", "see {}.", "[{}]", "über {} ñ", "数据 {} 结束", "{{\"v\": \"{}\"}}", "a,{},b"]


def put(rule, text, forms=SENTENCES):
    form = R.choice(forms)
    out.append(form.replace("{{", "\x05").replace("}}", "\x06").replace("{}", mark(rule, text)).replace("\x05", "{").replace("\x06", "}"))


def positives(n):
    for _ in range(n):
        put("email", email(), SENTENCES + ["mailto:{}", "<{}>", "From: Jane <{}>", "https://x.test/?q=1&mail={}&z=2", "to={};cc=", "'{}'"])
        put("card", card(), SENTENCES + ["Card {} exp 12/27", "card: {} cvc 123", "PAN={}&x=1", "4 items, {}", "number:{}"])
        put("ssn", ssn(), SENTENCES + ["SSN: {}", "ssn={}", "Social Security Number {}"])
        put("phone", phone_us(), SENTENCES + ["Call {}", "Tel. {}", "tel:{}", "phone={}"])
        put("phone", phone_world(), SENTENCES + ["Call {} now", "Tel. {}", "tel:{}", "Mobile {}", "WhatsApp: {}"])
        put("phone", fill(phone_local()), ["Tel. {}", "Telefon: {}", "phone: {}", "Mobile {}", "Tél : {}", "fax {}", "\"phone\":\"{}\"", "call me at {} please", "<td>Phone</td><td>{}</td>",
                                           "Handy {}", "phoneNumber={}"])
        put("phone", fill(phone_written()), ["{}", "Call {}", "value={}", "<td>{}</td>", "Praxis Dr. Weber, {}", "\"{}\"", "office {}, ask for Ravi", "{}\nnext line"])
        put("iban", iban(), SENTENCES + ["IBAN {}", "IBAN: {} BIC ABCDEFGH", "iban={}"])
        put("jwt", jwt(), SENTENCES + ["token={}", "?access_token={}&x=1", "Cookie: session={}; a=b"])
        put("cloud-key", cloud_key(), SENTENCES + ["aws_access_key_id = {}", "export KEY={}", "key: '{}',", "?key={}&v=3"])
        put("api-key", api_key(), SENTENCES + ["export TOKEN={}", "key: '{}',", "git clone with {} ok", "const t = \"{}\";"])
        put("bearer", bearer(), ["Authorization: Bearer {}", "curl -H 'Authorization: Bearer {}' https://x.test", "authorization: bearer {}", "{{\"authorization\":\"Bearer {}\"}}", "Bearer {}"])
        put("bearer", basic(), ["Authorization: Basic {}", "{{\"Authorization\":\"Basic {}\"}}"])
        put("url-password", chars(12), ["https://jane:{}@host.test/x", "postgres://app:{}@db.internal:5432/x", "redis://:{}@cache:6379", "git clone https://bot:{}@git.test/r.git"])
        out.append(R.choice(["export {}={}", "{}={}\n", "-e {}={} x"]).replace("{}", R.choice(["DB_PASSWORD", "API_SECRET", "MYSQL_PASSWORD", "AUTH_TOKEN", "APP_API_KEY"]), 1)
                   .replace("{}", mark("api-key", chars(R.choice([12, 20, 32])))))
        out.append(R.choice(["api_key = \"{}\"", "\"apiKey\": \"{}\"", "secret_key: '{}'", "\"client_secret\":\"{}\"", "aws_secret_access_key = {}", "authToken={}&a=1",
                             "access_token={}&type=x", "x-api-key: {}"]).replace("{}", mark("api-key", chars(R.choice([20, 32, 40])))))
    for _ in range(n // 2):
        put("private-key", private_key(), ["{}", "key follows:\n{}\nthat was it", "{{\"key\":\"{}\"}}", "$ cat id\n{}\n$ "])


# ---- negatives ----

def timestamp():
    t = R.randint(1500000000, 1900000000)
    return R.choice([str(t), str(t * 1000 + R.randint(0, 999)), str(t * 10**6 + R.randint(0, 10**6)), f"{R.randint(2000, 2030)}-{R.randint(1, 12):02d}-{R.randint(1, 28):02d}",
                     f"{R.randint(2000, 2030)}-0{R.randint(1, 9)}-1{R.randint(0, 9)}T1{R.randint(0, 9)}:2{R.randint(0, 9)}:30.123Z", f"{R.randint(10, 28)}.0{R.randint(1, 9)}.{R.randint(1990, 2030)}",
                     f"0{R.randint(1, 9)}/{R.randint(10, 28)}/{R.randint(1990, 2030)}", f"{R.randint(2000, 2030)}0{R.randint(1, 9)}1{R.randint(0, 9)}{R.randint(100000, 235959)}",
                     f"[{R.randint(10, 28)}/Oct/2024:13:55:36 +0200]", f"2024-10-1{R.randint(0, 9)} 12:31:{R.randint(10, 59)},{R.randint(100, 999)} +0530"])


def order():
    return R.choice([f"1{R.randint(10, 99)}-{digits(7)}-{digits(7)}", f"#{digits(6)}", f"ORD-{R.randint(2020, 2026)}-{digits(5)}", f"INV{digits(8)}", f"order {digits(10)}", f"A{digits(9)}",
                     f"SKU {digits(5)}-{digits(3)}", f"PO {digits(8)}", f"1Z{chars(16, string.ascii_uppercase + string.digits)}", f"ISBN 978-3-16-{digits(6)}-{R.randint(0, 9)}", f"{digits(12)}-{digits(4)}",
                     f"EAN 40{digits(11)}", f"ticket {digits(7)}", f"part 12-{digits(4)}-{digits(3)}", f"case {digits(3)}/{digits(4)}/{digits(2)}"])


def ip():
    a = ".".join(str(R.randint(1, 254)) for _ in range(4))
    return R.choice([a, a + ":" + str(R.randint(1024, 65000)), a + "/24", f"fe80::{hexa(4)}:{hexa(4)}:{hexa(4)}:{hexa(4)}", ":".join(hexa(2) for _ in range(6)), f"2001:db8:{hexa(4)}::{hexa(4)}"])


def version():
    return R.choice([f"v{R.randint(0, 30)}.{R.randint(0, 99)}.{R.randint(0, 99)}", f"{R.randint(1, 9)}.{R.randint(0, 99)}.{R.randint(0, 9)}-rc.{R.randint(1, 9)}", f"Chrome/{R.randint(90, 140)}.0.{R.randint(1000, 9999)}.{R.randint(10, 200)}",
                     f"lodash@4.17.{R.randint(1, 30)}", f"react-dom@18.2.0", "icon@2x.png", f"sprite@3x.webp", "getty@tty1.service", "user@1000.service", f"kernel 6.1.0-{R.randint(1, 40)}-amd64", "@types/node@20.1.0",
                     "vue@next", f"linux-image-6.1.{R.randint(0, 200)}", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)", f"1.{R.randint(0, 99)}.{R.randint(10000, 99999)}.{R.randint(100, 999)}"])


def hashes():
    return R.choice([hexa(32), hexa(40), hexa(64), str(uuid.UUID(int=R.getrandbits(128), version=4)), hexa(7), "sha256:" + hexa(64), hexa(32).upper(), "sha512-" + base64.b64encode(R.randbytes(64)).decode(),
                     b64u(R.randbytes(R.choice([16, 24, 48, 100]))), base64.b64encode(R.randbytes(R.choice([20, 60, 300]))).decode(), "data:image/png;base64," + base64.b64encode(R.randbytes(200)).decode(),
                     "W/\"" + hexa(8) + "-" + hexa(6) + "\"", "0x" + hexa(16), f"r_{chars(16, URLSAFE)}"])


def number():
    return R.choice([f"{R.random():.16f}", f"-{R.random() * 1000:.14f}", f"{R.randint(1, 999)},{R.randint(100, 999)},{R.randint(100, 999)}.{R.randint(10, 99)}", f"{R.randint(1, 999)} {R.randint(100, 999)} {R.randint(100, 999)} EUR",
                     f"{R.random() * 90:.7f}, {R.random() * 180:.7f}", f"{digits(5)}x{digits(4)}", f"1e{R.randint(10, 300)}", "3.14159265358979", f"{R.randint(1, 100)}% of {digits(7)}", f"translate({R.random() * 999:.4f}px, {R.random() * 999:.4f}px)",
                     f"rgba({R.randint(0, 255)}, {R.randint(0, 255)}, {R.randint(0, 255)}, 0.{digits(6)})", f"M{R.randint(0, 99)}.{digits(3)} {R.randint(0, 99)}.{digits(3)}L{R.randint(0, 99)} {R.randint(0, 99)}Z",
                     f"pid {digits(6)}", f"{digits(4)} {digits(4)} {digits(3)}", f"0 0 {R.randint(100, 999)} {R.randint(100, 999)}", f"{R.randint(1, 9)}-{R.randint(1, 9)}", f"ETA 00:0{R.randint(1, 9)}:{R.randint(10, 59)}", f"{digits(19, '1')}",
                     f"{R.randint(600, 999)}-{R.randint(10, 99)}", f"000-{R.randint(10, 99)}-{digits(4)}", f"666-{R.randint(10, 99)}-{digits(4)}", f"9{digits(2)}-{R.randint(10, 99)}-{digits(4)}", f"{digits(3)}-00-{digits(4)}"])


def not_luhn():
    n = card_number()
    wrong = n[:-1] + str((int(n[-1]) + R.randint(1, 9)) % 10)
    return wrong if R.random() < 0.5 or len(wrong) != 16 else " ".join(wrong[i:i + 4] for i in range(0, 16, 4))


def not_iban():
    s = iban()
    at = R.randint(2, 3)
    return s[:at] + str((int(s[at]) + R.randint(1, 9)) % 10) + s[at + 1:]


CODE = [
    "if (password === undefined) return null;", "const token = await getToken(req);", "password: string;", "this.password = password;", "def __init__(self, token=None):", "api_key=os.environ['API_KEY']",
    "apiKey: process.env.API_KEY,", "secret := os.Getenv(\"SECRET\")", "token: ${{ secrets.GITHUB_TOKEN }}", "PASSWORD=$DB_PASSWORD", "type=\"password\" name=\"pw\"", "<input type=password autocomplete=current-password>",
    "@Override public void run() {", "@media (min-width: 768px) {", "#!/usr/bin/env python3", "git@github.com:org/repo.git", "ssh root@localhost", "user@host:~/src$ ls", "me@laptop ~ %", "@app.route('/x')",
    "import { x } from '@scope/pkg';", "bearer of good news", "The bearer authentication scheme", "Authorization: Bearer <token>", "Authorization: Bearer $TOKEN", "Basic usage of this tool", "basic authentication required", "Basic Examples follow below",
    "if (line.startsWith(\"-----BEGIN PRIVATE KEY-----\")) {", "-----BEGIN CERTIFICATE-----\nMIIB8jCCAZgCCQDtH2lJ5F8nvzAKBggqhkjOPQQDAjB\n-----END CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
    "grep -c 'PRIVATE KEY' *.pem", "x = eyJ", "eyJhbGciOiJub25l", "sk-", "AKIA", "ghp_", "AKIAIOSFODNN7 too short", "ghp_short", "key-value-pair", "key-frames: 12", "class SKU12345 {}", "SK", "npm_config_registry=https://x.test/", "npm_lifecycle_event",
    "http://host:8080/path@2x.png", "https://example.com/@user/post", "https://host.test:443/a@b", "foo@bar", "a @ b", "x@y@z", "@@ -1,7 +1,8 @@ def f():", "+1,234,567", "+0000 +0100", "1 + 2345678", "i+12", "C++11 and C++17", "+++ b/src/main.c",
    "phone: unknown", "telephone exchange history of 1923", "call(1, 2, 3)", "mobile-first design with 3 columns", "cell A12", "fax machine", "phone booth in 2024-01-31", "callback(1234)", "telemetry: 12 34 56", "recall 2024", "hotel 12 345",
    "passwords must have 12 characters", "password: ********", "PASSWORD=", "TOKEN=<your token here>", "SECRET_KEY_BASE", "token_type: bearer", "tokens: 1234567890", "\"tokens\": 123456, \"total_tokens\": 234567", "secret: null", "access_token_url = 'https://x.test/oauth/token'",
    "color:#123456;background:#abcdef", "width=1920&height=1080&dpr=2", "M12 34 56 78 90 12", "01 23 45 67 89 ab cd ef", "drwxr-xr-x 2 root root 4096 2024-05-06 07:08", "-rw-r--r-- 1 1000 1000 1234567 Jan  1 12:34 a.txt", "eth0: 10.0.0.12 netmask 255.255.255.0",
    "0644 1000 1000 a.txt", "0755 10 4096", "00 01 02 03 04 05 06 07", "offset 01 02 03 04 05 06", "aa 01 23 45 67 89 bb", "042 17", "007 1234", "id 0123456789", "(12) 34", "f(01, 02, 03, 04, 05)", "08:15 0900 1000", "09 2024 1234",
    "00000000: 7f45 4c46 0201 0100 0000 0000 0000 0000", "[ 1234.567890] usb 1-1: new device", "123 456 789 bytes", "1234 5678", "page 123 of 4567", "Lorem ipsum dolor sit amet, consectetur adipiscing elit.", "函数返回 1234567 个结果", "lat=52.5200066&lng=13.404954",
    "GB is great, DE too", "AT04 is a room", "FR12 ABCD", "SE35 level", "MT84MALT", "CR05 exam", "TLS_AES_256_GCM_SHA384", "us-east-1a ami-0abcdef1234567890", "arn:aws:iam::123456789012:role/x", "projects/123456789012/secrets/x",
    "/usr/lib/x86_64-linux-gnu/libssl.so.3", "http://127.0.0.1:28000/v1/recordings/r_2Dz2Sr-SnSlnd8aT", "progress 1000000/2000000", "0800-1000", "open 24/7/365", "1-2-3-4-5-6-7", "2/3/4 5/6/7", "(1) (2) (3) 4567", "5551234", "room 212-555", "v1 2 3 4 5 6 7",
    "setTimeout(f, 1000000)", "int64 max 9223372036854775807", "uint32 4294967295", "2147483648", "RGB 255 255 255", "viewBox=\"0 0 1024 1024\"", "id=1234567890123456", "user_id: 4000000000000001", "seq 1234567-1234570", "chmod 0755 4755",
]


def negatives(n):
    makers = [timestamp, order, ip, version, hashes, number, not_luhn, not_iban]
    for _ in range(n):
        for make in makers:
            t = make()
            out.append(R.choice(SENTENCES).replace("{{", "\x05").replace("}}", "\x06").replace("{}", t).replace("\x05", "{").replace("\x06", "}"))
    out.extend(CODE)


positives(120)
negatives(400)
sys.stdout.buffer.write("".join(t + "\x1e" for t in out).encode())
