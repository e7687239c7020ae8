'use strict';
'require baseclass';

/*
 * Paper: a document of its own within the page, so that nothing else is printed. It goes as soon as it was printed, or
 * when the next one comes.
 */

let frame = null;

return baseclass.extend({
	clear() {
		frame?.remove();
		frame = null;
	},

	/* Prints these elements. */
	print(title, nodes) {
		this.clear();
		frame = E('iframe', { 'aria-hidden': 'true', 'tabindex': -1, 'style': 'position:fixed;right:0;bottom:0;width:0;height:0;border:0' });
		document.body.appendChild(frame);
		frame.contentDocument.title = title;
		frame.contentDocument.body.append(...nodes);
		frame.contentWindow.addEventListener('afterprint', () => this.clear());
		frame.contentWindow.print();
	}
});
