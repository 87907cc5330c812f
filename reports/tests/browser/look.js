// What a reader can see of a page: functions for the tests, evaluated in it.
(() => {
  const channels = (color) => {
    const context = new OffscreenCanvas(1, 1).getContext("2d");
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const token = (name) => channels(getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  const near = (data, index, color, tolerance) =>
    Math.abs(data[index] - color[0]) + Math.abs(data[index + 1] - color[1]) + Math.abs(data[index + 2] - color[2]) <= tolerance;
  const luminance = ([red, green, blue]) => {
    const linear = [red, green, blue].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const over = (front, back) => [0, 1, 2].map((index) => (front[index] * front[3] + back[index] * (255 - front[3])) / 255);

  // The colour behind an element: its own background and those of what it stands in, laid over each other.
  const background = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      layers.push(channels(getComputedStyle(each).backgroundColor));
    }
    return layers.reverse().reduce((back, layer) => over(layer, back), [255, 255, 255]);
  };

  window.look = {
    // How many pixels of a canvas have a colour of the style sheet, in a part of it by fractions of its height.
    pixels: (selector, name, from = 0, until = 1, tolerance = 24) => {
      const canvas = document.querySelector(selector);
      const top = Math.floor(canvas.height * from);
      const tall = Math.max(Math.floor(canvas.height * until) - top, 1);
      const { data } = canvas.getContext("2d").getImageData(0, top, canvas.width, tall);
      const color = token(name);
      let count = 0;
      for (let index = 0; index < data.length; index += 4) {
        if (data[index + 3] > 200 && near(data, index, color, tolerance)) count += 1;
      }
      return count;
    },
    // A canvas as one number, to see whether it changed.
    hash: (selector) => {
      const canvas = document.querySelector(selector);
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let hash = 0;
      for (let index = 0; index < data.length; index += 1) hash = (hash * 31 + data[index]) | 0;
      return hash;
    },
    // Canvases without a pixel.
    blank: () =>
      [...document.querySelectorAll("canvas")]
        .filter((canvas) => canvas.width > 0 && canvas.height > 0)
        .filter((canvas) => !canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0))
        .map((canvas) => canvas.outerHTML.slice(0, 80)),
    // Texts that stand out too little from what is behind them, as WCAG 2.2 computes it: 4.5 to 1, or 3 to 1 where large.
    faint: () => {
      const faint = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const node = walker.currentNode;
        const element = node.parentElement;
        if (node.textContent.trim() === "" || element.closest("script, style, noscript") || !element.checkVisibility()) continue;
        const style = getComputedStyle(element);
        const back = background(element);
        const [one, other] = [luminance(over(channels(style.color), back)), luminance(back)];
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        const isLarge = parseFloat(style.fontSize) >= 24;
        if (contrast < (isLarge ? 3 : 4.5)) faint.push(`${node.textContent.trim().slice(0, 40)}: ${contrast.toFixed(2)}`);
      }
      return faint;
    },
    brightness: () => luminance(background(document.querySelector("main"))),
    sideways: () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    // Whether a reader sees an element without scrolling.
    atOnce: (selector) => {
      const box = document.querySelector(selector).getBoundingClientRect();
      return box.top >= 0 && box.bottom <= innerHeight && box.width > 0 && box.height > 0;
    },
  };
})();
