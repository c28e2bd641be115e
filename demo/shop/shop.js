/*
 * A small shop with one honest mistake in it: a percentage is taken off each line, the lines are rounded one by one, the sum once more, and the
 * order is refused when the two differ by a cent. It happens to discounted carts whose prices do not divide well.
 */
const goods = [
  { id: "tent", name: "Ridge tent, two persons", price: 18995, picture: "⛺" },
  { id: "stove", name: "Gas stove", price: 4295, picture: "🔥" },
  { id: "lamp", name: "Camp lantern", price: 2949, picture: "🏮" },
  { id: "boots", name: "Trail boots", price: 12900, picture: "🥾" },
  { id: "pack", name: "Daypack, 28 litres", price: 7450, picture: "🎒" },
  { id: "map", name: "Map of the northern fells", price: 1499, picture: "🗺️" },
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
  box.querySelector(".picture").textContent = g.picture;
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
      complain(err.id);
    }
  }, 1400);
};
draw();
