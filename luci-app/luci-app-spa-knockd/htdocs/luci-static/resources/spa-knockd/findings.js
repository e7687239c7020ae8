'use strict';
'require baseclass';

/*
 * What `check` has found in the configuration that is in force, as a strip above a page.
 */

function items(lines) {
	return lines.map(line => E('p', {}, [ line ]));
}

return baseclass.extend({
	/* A node for the reply of `check`; an empty one where nothing was found. `isOff`: the daemon is not meant to run. */
	render(reply, isOff) {
		const faults = reply?.faults ?? [];
		const warnings = [ ...(reply?.warnings ?? []), ...(reply?.notes ?? []) ];
		const nodes = [];

		if (faults.length)
			nodes.push(E('div', { 'class': 'alert-message warning', 'role': 'alert' }, [
				E('h4', {}, [ isOff ? _('spa-knockd is switched off, and something is missing') : _('The daemon refuses this configuration') ]),
				...items(faults)
			]));
		else if (reply?.ok === false)
			nodes.push(E('div', { 'class': 'alert-message warning', 'role': 'alert' }, [
				E('p', {}, [ _('The configuration could not be checked: %s').format(reply.error ?? '') ])
			]));

		if (warnings.length)
			nodes.push(E('div', { 'class': 'alert-message notice', 'role': 'status' }, [
				E('h4', {}, [ _('Worth a thought') ]),
				...items(warnings)
			]));

		return E('div', { 'class': 'spa-knockd-findings' }, nodes);
	}
});
