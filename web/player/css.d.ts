declare module "*.css";
declare module "@rrweb/replay/dist/style.css";
