// Runs before anything is drawn: the theme, and a way for the chart library to set styles that the page's policy allows.
(function () {
  "use strict";
  let theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  try {
    theme = localStorage.getItem("nsys-llm-theme") || theme;
  } catch (error) {
    // Without storage the system's choice holds.
  }
  document.documentElement.dataset.theme = theme === "dark" ? "dark" : "light";
  const setAttribute = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (name === "style") this.style.cssText = value;
    else setAttribute.call(this, name, value);
  };
})();
