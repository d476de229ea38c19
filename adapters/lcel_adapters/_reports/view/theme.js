// Light or dark: as the system says, until somebody says otherwise.

export function isDark() {
  const said = document.documentElement.dataset.theme;
  return said ? said === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

export function turnTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
}
