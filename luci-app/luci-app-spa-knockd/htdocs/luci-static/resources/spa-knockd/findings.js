'use strict';
'require baseclass';

/*
 * What `check` has found in the configuration that is in force, as a strip above a page.
 */

function items(lines) {
	return E('ul', {}, lines.map(line => E('li', {}, [ line ])));
}

return baseclass.extend({
	/* A node for the reply of `check`; an empty one where nothing was found. */
	render(reply) {
		const faults = reply?.faults ?? [];
		const warnings = [ ...(reply?.warnings ?? []), ...(reply?.notes ?? []) ];
		const nodes = [];

		if (faults.length)
			nodes.push(E('div', { 'class': 'alert-message warning', 'role': 'alert' }, [
				E('h4', {}, [ _('The daemon refuses this configuration') ]),
				items(faults)
			]));
		else if (reply?.ok === false)
			nodes.push(E('div', { 'class': 'alert-message warning', 'role': 'alert' }, [
				E('p', {}, [ _('The configuration could not be checked: %s').format(reply.error ?? '') ])
			]));

		if (warnings.length)
			nodes.push(E('div', { 'class': 'alert-message notice', 'role': 'status' }, [
				E('h4', {}, [ _('Worth a thought') ]),
				items(warnings)
			]));

		return E('div', { 'class': 'spa-knockd-findings' }, nodes);
	}
});
