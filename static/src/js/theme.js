/* Loaded in the head and before the first paint: takes the saved theme, so that no page flashes. */
const root = document.documentElement;
root.classList.add("js");

/** The saved choice: "light", "dark" or "auto" (what the system says). */
function saved() {
  try {
    return localStorage.getItem("gristmill.theme") || "auto";
  } catch {
    return "auto"; // storage may be forbidden; the system's choice is a fine one
  }
}

/** Shows `choice` at once and remembers it. */
function choose(choice) {
  if (choice === "auto") delete root.dataset.theme;
  else root.dataset.theme = choice;
  try {
    localStorage.setItem("gristmill.theme", choice);
  } catch {
    // not remembered, still shown
  }
  press(choice);
  document.dispatchEvent(new CustomEvent("gristmill:theme"));
}

function press(choice) {
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
  }
}

if (saved() !== "auto") root.dataset.theme = saved();
document.addEventListener("DOMContentLoaded", () => press(saved()));
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-theme-choice]");
  if (button) choose(button.dataset.themeChoice);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  document.dispatchEvent(new CustomEvent("gristmill:theme"));
});
