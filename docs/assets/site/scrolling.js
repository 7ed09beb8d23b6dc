// Lets the keyboard scroll what is wider than the page: the theme's own wrappers of tables.
"use strict";

{
  const wrappers = ".md-typeset__scrollwrap:not([tabindex])";
  const makeFocusable = () => {
    for (const wrapper of document.querySelectorAll(wrappers)) wrapper.tabIndex = 0;
  };
  // The theme wraps a table some time after the page was read.
  new MutationObserver(makeFocusable).observe(document.body, { childList: true, subtree: true });
  makeFocusable();
}
