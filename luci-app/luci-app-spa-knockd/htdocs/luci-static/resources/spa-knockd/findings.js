'use strict';
'require baseclass';

/*
 * What `check` has found in the configuration that is in force, as a strip above a page.
 */

function items(lines) {
	return lines.map(line => E('p', {}, [ line ]));
}

/* What an error says, without the place in LuCI's source that stands below. */
function reason(error) {
	return String(error?.message ?? error).split('\n')[0];
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

		return E('div', {}, [ ...nodes ]);
	},

	/* Why a dialog was not saved. Where it was not for what it says, another browser may have taken the user away. */
	notSaved(error) {
		return E('div', { 'class': 'alert-message warning' }, [
			E('p', {}, [ _('This was not saved: %s').format(reason(error)) ]),
			(error?.name == 'RPCError') ? E('p', {}, [ _('If somebody else has changed the users meanwhile, load the page again.') ]) : null
		]);
	},

	/* In place of a form, where the file cannot be read at all: what `check` has found tells the line. */
	unreadable(title, error, reply) {
		return E('div', {}, [
			E('h2', {}, [ title ]),
			E('div', { 'class': 'alert-message danger', 'role': 'alert' }, [
				E('p', {}, [ _('The file /etc/config/spa-knockd cannot be read: %s').format(reason(error)) ]),
				E('p', {}, [ _('Mend it by hand or put a backup back, then load this page again.') ])
			]),
			this.render(reply)
		]);
	}
});
