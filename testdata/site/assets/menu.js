// Marks the menu entry of the page that is shown.
for (const a of document.querySelectorAll("nav a")) {
  if (location.pathname.startsWith(new URL(a.href).pathname.replace(/[^/]*$/, ""))) a.setAttribute("aria-current", "page");
}
