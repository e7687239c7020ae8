/* What the steps measure on a page. */

/* What can be used and has no name that a screen reader would say. */
export function nameless(page, within) {
	return page.evaluate(selector => Array.from(document.querySelectorAll(`${selector} :is(a[href], button, input:not([type=hidden]), select, textarea, [role=button])`))
		.filter(node => node.checkVisibility() && !(node.getAttribute('aria-label') || node.labels?.length && node.labels[0].textContent.trim() || node.title || node.placeholder
			|| node.textContent.trim() || node.closest('label')))
		.map(node => node.closest('[data-name]')?.dataset.name ?? node.outerHTML), within);
}

/* Where the widest part of an element ends. */
export function end(page, selector) {
	return page.evaluate(sought => {
		const node = document.querySelector(sought);

		return node.getBoundingClientRect().left + node.scrollWidth;
	}, selector);
}
