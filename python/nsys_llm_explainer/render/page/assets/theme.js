// The switch between light and dark, and what the other scripts share.
const page = JSON.parse(document.getElementById("data").textContent);
const themeListeners = [];

function themeName() {
  return document.documentElement.dataset.theme === "dark" ? "dark" : "light";
}

function colours() {
  return themeName() === "dark" ? page.dark : page.light;
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  const button = document.getElementById("theme");
  button.setAttribute("aria-pressed", String(name === "dark"));
  for (const listener of themeListeners) listener();
}

function startTheme() {
  const button = document.getElementById("theme");
  button.setAttribute("aria-pressed", String(themeName() === "dark"));
  button.addEventListener("click", () => {
    const name = themeName() === "dark" ? "light" : "dark";
    setTheme(name);
    try {
      localStorage.setItem("nsys-llm-theme", name);
    } catch (error) {
      // The choice then lasts as long as the page.
    }
  });
  let before = null;
  addEventListener("beforeprint", () => {
    before = themeName();
    for (const details of document.querySelectorAll(".card details")) details.open = true;
    setTheme("light");
  });
  addEventListener("afterprint", () => {
    if (before !== null) setTheme(before);
    before = null;
  });
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

let toastTimer = 0;
function toast(text) {
  const place = document.getElementById("toast");
  place.textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (place.textContent = ""), 3000);
}

async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch (error) {
    const area = element("textarea", text, "off");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast(what + " copied");
}
