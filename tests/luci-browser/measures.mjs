/* What the steps measure on a page. */

import assert from 'node:assert/strict';

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

/* Keeps a picture of somebody's dialog on a telephone, and demands that it fits and that all in it has a name. */
export async function fitsPhone(one, title) {
	await one.shot(title);
	assert.ok(await end(one.page, '.modal') <= 360, title);
	assert.deepEqual(await nameless(one.page, '.modal'), [], title);
}
