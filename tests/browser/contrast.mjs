// The contrast of text, by WCAG 2.2 section 1.4.3.

/** Runs in the page: each distinct pair of colours, with a text that has it. */
export function colours() {
  const pairs = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility({ visibilityProperty: true })) continue;
    let ground = element;
    while (ground && getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
    const pair = [getComputedStyle(element).color, getComputedStyle(ground ?? document.documentElement).backgroundColor];
    if (!pairs.has(pair.join())) pairs.set(pair.join(), { text: text.slice(0, 40), colours: pair });
  }
  return [...pairs.values()];
}

/** The contrast of two colours as the browser computes them: `rgb(1, 2, 3)`. */
export function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function luminance(colour) {
  const match = /^rgb\((\d+), (\d+), (\d+)\)$/.exec(colour);
  if (!match) throw new Error(`a colour that is not opaque: ${colour}`);
  const [r, g, b] = match.slice(1).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
