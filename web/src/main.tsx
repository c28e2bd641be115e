import "./theme.css";
import { render } from "preact";
import { App } from "./app";
import { browserNav } from "./lib/nav";
import { createSession } from "./lib/session";

const session = createSession(null, browserNav());
void session.load();
render(<App session={session} />, document.body);
