/*
 * A small shop with one honest mistake in it: a percentage is taken off each line, the lines are rounded one by one, the sum once more, and the
 * order is refused when the two differ by a cent. It happens to discounted carts whose prices do not divide well.
 */
const goods = [
  { id: "tent", name: "Ridge tent, two persons", price: 18995, picture: '<path d="M8 60 40 12l32 48z" fill="#2f6b46"/><path d="M40 12 52 60H28z" fill="#e9b44c"/><path d="M40 30v30" stroke="#23402f" stroke-width="2"/>' },
  { id: "stove", name: "Gas stove", price: 4295, picture: '<rect x="24" y="44" width="32" height="18" rx="4" fill="#55665c"/><path d="M40 14c10 10 12 16 8 24a9 9 0 0 1-16 0c-3-7 6-10 8-24z" fill="#e9843c"/><path d="M18 44h44" stroke="#23402f" stroke-width="4"/>' },
  { id: "lamp", name: "Camp lantern", price: 2949, picture: '<rect x="28" y="24" width="24" height="32" rx="5" fill="#f3d27a"/><path d="M24 56h32v6H24zM28 18h24v6H28z" fill="#55665c"/><path d="M30 18a10 10 0 0 1 20 0" fill="none" stroke="#55665c" stroke-width="3"/>' },
  { id: "boots", name: "Trail boots", price: 12900, picture: '<path d="M24 14h16v26l22 8c4 2 6 6 6 12H24z" fill="#8a5a34"/><path d="M22 60h48v5H22z" fill="#3a2a1c"/><path d="M28 22h12M28 30h12" stroke="#f4e9dc" stroke-width="2"/>' },
  { id: "pack", name: "Daypack, 28 litres", price: 7450, picture: '<rect x="22" y="20" width="36" height="44" rx="10" fill="#3e6f9b"/><rect x="28" y="40" width="24" height="18" rx="4" fill="#2c5275"/><path d="M32 20a8 8 0 0 1 16 0" fill="none" stroke="#2c5275" stroke-width="4"/>' },
  { id: "map", name: "Map of the northern fells", price: 1499, picture: '<path d="M12 20l18-6 20 6 18-6v44l-18 6-20-6-18 6z" fill="#f4efe0"/><path d="M30 14v44M50 20v44" stroke="#b9ab86" stroke-width="2"/><path d="M18 48c10-14 18 4 28-10s12-6 16-10" fill="none" stroke="#a3262a" stroke-width="3" stroke-dasharray="5 4"/>' },
];
const codes = { AUTUMN15: 15 };
const cart = new Map();
let percent = 0;

const el = (id) => document.getElementById(id);
const euro = (cents) => (cents / 100).toFixed(2).replace(".", ",") + " €";

function lineOff(cents) {
  return Math.round((cents * percent) / 100);
}

function sums() {
  const lines = [...cart].map(([id, n]) => ({ ...goods.find((g) => g.id === id), n }));
  const all = lines.reduce((s, l) => s + l.price * l.n, 0);
  const off = Math.floor((all * percent) / 100);
  const delivery = all > 15000 ? 0 : 490;
  return { lines, all, off, delivery, total: all - off + delivery };
}

function draw() {
  const { lines, all, off, delivery, total } = sums();
  el("cart-count").textContent = lines.reduce((s, l) => s + l.n, 0);
  el("lines").replaceChildren(...lines.map((l) => {
    const row = document.createElement("tr");
    for (const text of [l.name, String(l.n), euro(l.price * l.n)]) row.append(Object.assign(document.createElement("td"), { textContent: text }));
    return row;
  }));
  el("goods").textContent = euro(all);
  el("off").textContent = "−" + euro(off);
  el("off-row").hidden = percent === 0;
  el("delivery").textContent = delivery === 0 ? "free" : euro(delivery);
  el("total").textContent = euro(total);
}

function show(id) {
  for (const s of ["products", "cart", "pay"]) el(s).hidden = s !== id;
}

function complain(errorId) {
  el("banner").innerHTML = "Sorry, we could not place your order. Nothing was charged. Please try again, or tell us this number: <code></code>";
  el("banner").querySelector("code").textContent = errorId;
  el("banner").hidden = false;
  window.scrollTo({ top: 0, behavior: "smooth" });
}

function placeOrder() {
  const { lines, off, total, all, delivery } = sums();
  const byLine = lines.reduce((s, l) => s + (l.price * l.n - lineOff(l.price * l.n)), 0) + delivery;
  if (byLine !== total)
    throw Object.assign(new Error(`order total ${total} differs from the sum of its lines ${byLine} (discount ${off} of ${all})`), { id: "ERR-7F3A21" });
}

el("products").append(...goods.map((g) => {
  const box = document.createElement("article");
  box.className = "product";
  box.innerHTML = '<div class="picture"></div><div class="text"><b></b><div class="price"></div><button>Add to cart</button></div>';
  box.querySelector(".picture").innerHTML = `<svg viewBox="0 0 80 76" width="110" aria-hidden="true">${g.picture}</svg>`;
  box.querySelector("b").textContent = g.name;
  box.querySelector(".price").textContent = euro(g.price);
  box.querySelector("button").id = "add-" + g.id;
  box.querySelector("button").onclick = () => { cart.set(g.id, (cart.get(g.id) ?? 0) + 1); draw(); };
  return box;
}));
el("cart-link").onclick = (e) => { e.preventDefault(); show("cart"); };
el("discount").onsubmit = (e) => {
  e.preventDefault();
  const p = codes[el("code").value.trim().toUpperCase()];
  el("code-said").textContent = p === undefined ? "We do not know this code." : `${p} % off, enjoy!`;
  if (p !== undefined) percent = p;
  draw();
};
el("checkout").onclick = () => show("pay");
el("order").onsubmit = (e) => {
  e.preventDefault();
  el("banner").hidden = true;
  el("place").disabled = true;
  el("busy").hidden = false;
  setTimeout(() => {
    el("place").disabled = false;
    el("busy").hidden = true;
    try {
      placeOrder();
      show("products");
    } catch (err) {
      console.error(err.id, err.message);
      window.keyhole?.addLink("error", err.id); // the recording is found by it: keyhole find error:ERR-7F3A21
      complain(err.id);
    }
  }, 1400);
};
draw();
