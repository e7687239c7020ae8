'use strict';
'require view';
'require poll';
'require uci';
'require ui';
'require spa-knockd.attention as attention';
'require spa-knockd.draw as draw';
'require spa-knockd.forwards as forwards';
'require spa-knockd.rpc as knock';
'require spa-knockd.words as words';

/* Seconds from one look to the next, and looks from one check of the configuration to the next. */
const EVERY = 2, CHECK_EVERY = 30;

/* Grants in one reply. */
const PAGE = 256;

const GRANTS_FIRST = 100, GRANTS_MORE = 300;
const EVENTS_FIRST = 20, EVENTS_MORE = 60;

function now() {
	return performance.now() / 1000;
}

function when(unix) {
	return new Date(unix * 1000).toLocaleString();
}

/* The devices, a line for each. */
function devices(list) {
	return list.length ? list.map(device => device.capturing
		? _('%s: listening; packets seen: %d, lost: %d').format(device.device, device.received ?? 0, device.dropped ?? 0)
		: _('%s: not listening; %s').format(device.device, device.why ?? '?')) : [ _('none') ];
}

/* How the daemon is, in names and values. */
function facts(status) {
	if (!status.ok)
		return [ [ _('State'), status.kind == 'away' ? _('Not running') : _('Unknown') ] ];

	return [
		[ _('State'), status.ready ? _('Running, knocks are honoured') : _('Running, but knocks are refused') ],
		[ _('Version'), status.version ],
		[ _('Running for'), words.duration(status.uptime) ],
		[ _('Waits for'), status.awaited ],
		[ _('Networks'), status.networks?.length ? status.networks.join(', ') : _('none') ],
		[ _('Devices'), devices(status.devices ?? []) ],
		[ _("Router's clock"), status.clock?.set
			? when(status.clock.unix)
			: [ when(status.clock?.unix ?? 0), _('not set: %s').format(status.clock?.why ?? '?') ] ],
		[ _('Firewall'), status.firewall ],
		[ _('Users switched on'), status.stanzas ],
		[ _('Knocks honoured'), status.honoured ],
		[ _('Packets refused'), words.refusals(status.refused).reduce((sum, one) => sum + one.count, 0) ],
		[ _('Knocks remembered against replay'), _('%d of at most %d').format(status.remembered, status.remembered_max) ]
	];
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load() {
		return Promise.all([
			knock.mayCall('revoke'),
			knock.mayCall('check'),
			knock.mayUci('firewall'),
			knock.mayUci('spa-knockd', 'write')
		]);
	},

	render([ mayRevoke, mayCheck, mayReadFirewall, mayWrite ]) {
		this.mayRevoke = mayRevoke;

		Object.assign(this, {
			mayCheck, mayReadFirewall, otp: null,
			mayOffer: mayReadFirewall && mayWrite,
			turn: 0, mark: null, unknown: null, check: null, redirects: [], grants: [], total: 0, events: [],
			grantsShown: GRANTS_FIRST, eventsShown: EVENTS_FIRST,
			strip: draw.strip(),
			facts: draw.facts(),
			grantTable: this.drawGrants(),
			eventTable: this.drawEvents(),
			refusalTable: draw.table({
				titles: [ _('Packets'), _('Why they were refused') ],
				label: _('Refused packets'),
				empty: _('Nothing was refused since the start.'),
				key: one => one.code,
				make: one => [ [ String(one.count) ], [ one.text ] ],
				refresh: ([ count ], one) => draw.text(count, String(one.count))
			}),
			forwardTable: draw.table({
				titles: [ _('Port forward'), _('Open to everybody'), _('Leads to'), '' ],
				label: _('Port forwards that are open to everybody'),
				empty: _('There is none.'),
				key: forward => JSON.stringify(forward),
				make: forward => [
					[ forward.name ],
					[ forward.ports.join(', ') ],
					[ forward.to ],
					[ forward.forwards.length
						? draw.link({ page: 'services/spa-knockd/users', query: forwards.query(forward.forwards), text: _('Guard it with a knock') })
						: E('em', {}, [ _('A range of ports, or for some strangers only: make its forwards by hand.') ]) ]
				]
			}),
			summary: E('p', { 'role': 'status', 'aria-live': 'polite' }),
			moreGrants: this.more(_('Show more'), () => { this.grantsShown += GRANTS_MORE; return this.readGrants(); }),
			moreEvents: this.more(_('Show more'), () => { this.eventsShown += EVENTS_MORE; this.showEvents(); }),
			closeAll: E('button', {
				'class': 'btn cbi-button cbi-button-negative',
				'type': 'button',
				'click': ev => this.confirm(ev.currentTarget, { all: true }, _('Close everything that knocks have opened?'))
			}, [ _('Close all') ])
		});

		this.forwardSection = E('div', { 'class': 'cbi-section' }, [
			E('h3', {}, [ _('Port forwards that are open to everybody') ]),
			E('p', {}, [ _('A knock can guard such a port. Make it a forward of a user first, then delete the port forward: as long as it is there, it stays open to everybody.') ]),
			this.forwardTable.node,
			E('p', {}, [ draw.link({ page: 'network/firewall/forwards', text: _('Port forwards') }) ])
		]);

		poll.add(() => this.look(), EVERY);
		setInterval(() => this.countDown(), 1000);

		return this.look().then(() => E('div', {}, [
			E('h2', {}, [ _('Port Knocking') ]),
			this.strip.node,
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [ _('Open now') ]),
				this.summary,
				this.grantTable.node,
				E('p', {}, [ this.moreGrants, ' ', mayRevoke ? this.closeAll : null ])
			]),
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [ _('Last events') ]),
				this.eventTable.node,
				E('p', {}, [ this.moreEvents ])
			]),
			E('div', { 'class': 'cbi-section' }, [ E('h3', {}, [ _('State') ]), this.facts.node ]),
			this.forwardSection,
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [ _('Refused since the start') ]),
				E('p', {}, [ _('Strangers send packets to every router. Most of these are no knocks at all, and harmless.') ]),
				this.refusalTable.node
			])
		]));
	},

	more(text, handler) {
		return E('button', { 'class': 'btn cbi-button', 'type': 'button', 'click': handler }, [ text ]);
	},

	drawGrants() {
		const titles = [ _('Who'), _('From'), _('May reach'), _('Closes in') ];

		return draw.table({
			titles: this.mayRevoke ? titles.concat('') : titles,
			label: _('Open now'),
			empty: _('Nothing is open.'),
			key: grant => words.key(grant),
			make: grant => [
				[ grant.access || _('unknown') ],
				[ grant.source ],
				[ words.opened(grant) ],
				[ words.left(grant.ends, now()) ],
				this.revokeButton(grant)
			].slice(0, this.mayRevoke ? 5 : 4),
			refresh: ([ access,,, left ], grant) => {
				draw.text(access, grant.access || _('unknown'));
				draw.text(left, words.left(grant.ends, now()));
			}
		});
	},

	revokeButton(grant) {
		return [ E('button', {
			'class': 'btn cbi-button cbi-button-remove',
			'type': 'button',
			'aria-label': _('Close %s for %s').format(words.opened(grant), grant.source),
			'click': ev => this.confirm(ev.currentTarget, { access: grant.access || undefined, source: words.address(grant) }, words.closing(grant))
		}, [ _('Close') ]) ];
	},

	drawEvents() {
		return draw.table({
			titles: [ _('Time'), _('What'), _('Who'), _('Knock from'), _('More') ],
			label: _('Last events'),
			empty: _('Nothing has happened since the start.'),
			key: event => JSON.stringify([ event.number, event.time ]),
			make: event => [
				[ when(event.time) ],
				[ words.kind(event) ],
				[ [ event.access, event.user ].filter((name, place, names) => name && names.indexOf(name) == place).join(' / ') ],
				[ event.from ?? '' ],
				[ words.event(event) ]
			]
		});
	},

	/* Looks at everything that may have changed. */
	look() {
		const turn = this.turn++;

		return Promise.all([
			knock.status(),
			turn % CHECK_EVERY ? null : this.readConfiguration()
		]).then(([ status ]) => {
			const mark = words.mark(status), isNews = status.ok && mark != this.mark;

			this.mark = mark;
			this.facts.update(facts(status));
			this.unknown = status.ok ? null : _('Not known, because spa-knockd does not answer.');
			this.refusalTable.update(words.refusals(status.refused), this.unknown);
			this.strip.update(attention.compose({ status, check: this.check, otp: this.otp, redirects: this.redirects }));

			if (!status.ok) {
				this.showGrants([], 0);
				this.showEvents();

				return null;
			}

			const pages = Math.ceil(this.grantsShown / PAGE);
			/* One page for each look, on the average. */
			const read = turn % pages ? null : this.readGrants();

			return Promise.all([
				/* The next look does not wait for many pages. */
				pages > 1 ? null : read,
				/* All else that is an event is read a little later. */
				isNews || turn % 5 == 0 ? this.readEvents() : null
			]);
		});
	},

	/* What the configuration has against it, and which port forwards are open, as far as this login may see it. */
	readConfiguration() {
		uci.unload('firewall');

		return Promise.all([
			this.mayCheck ? knock.check() : null,
			knock.otpList(),
			this.mayReadFirewall ? uci.load('firewall').catch(() => null) : null
		]).then(([ check, otp ]) => {
			this.otp = otp;
			this.check = check?.kind == 'denied' ? null : check;
			this.redirects = this.mayOffer ? forwards.open(uci.sections('firewall', 'redirect')) : [];
			this.forwardTable.update(this.redirects);
			draw.show(this.forwardSection, this.redirects.length);
		});
	},

	/* As many grants as are shown, page by page. */
	readGrants(before) {
		const list = before ?? [];

		return knock.grants(list.length).then(reply => {
			if (!reply.ok)
				return null;

			const page = reply.grants ?? [], asked = now();

			page.forEach(grant => list.push(Object.assign(grant, { ends: grant.remaining == null ? null : asked + grant.remaining })));

			return page.length && list.length < Math.min(this.grantsShown, reply.total)
				? this.readGrants(list)
				: this.showGrants(list.slice(0, this.grantsShown), reply.total);
		});
	},

	showGrants(list, total) {
		const text = this.unknown ? '' : total > list.length ? _('Open: %d; the first %d are shown.').format(total, list.length) : _('Open: %d.').format(total);

		this.grants = list;
		this.grantTable.update(list, this.unknown);
		draw.show(this.moreGrants, total > list.length);
		draw.show(this.closeAll, total);

		draw.text(this.summary, text);
	},

	readEvents() {
		return knock.events().then(reply => {
			if (!reply.ok)
				return;

			this.events = (reply.events ?? []).reverse();
			this.showEvents();
		});
	},

	showEvents() {
		this.eventTable.update(this.events.slice(0, this.eventsShown), this.unknown);
		draw.show(this.moreEvents, this.events.length > this.eventsShown);
	},

	/* The time goes on between two looks. */
	countDown() {
		this.grantTable.update(this.grants, this.unknown);
	},

	/* Asks before anything is closed. */
	confirm(button, what, question) {
		const kill = E('input', { 'type': 'checkbox', 'id': 'spa-knockd-kill' });
		const close = () => {
			ui.hideModal();

			if (button.isConnected)
				button.focus();
		};

		ui.showModal([ _('Close early') ], [
			E('p', {}, [ question ]),
			E('p', {}, [ kill, ' ', E('label', { 'for': 'spa-knockd-kill' }, [ _('End the connections that came in by it, too') ]) ]),
			E('p', {}, [ _('Without this, what is connected already stays connected. A new knock opens again.') ]),
			E('div', { 'class': 'right' }, [
				E('button', { 'class': 'btn cbi-button', 'type': 'button', 'click': close }, [ _('Cancel') ]),
				' ',
				E('button', {
					'class': 'btn cbi-button cbi-button-negative important',
					'type': 'button',
					'click': ui.createHandlerFn(this, () => this.revoke(Object.assign({ kill: kill.checked }, what)).then(close))
				}, [ _('Close') ])
			])
		]);
	},

	revoke(what) {
		return knock.revoke(what).then(reply => {
			const texts = reply.ok ? [ _('Closed: %d.').format(reply.revoked) ] : [ reply.error ];

			if (reply.ok && what.kill)
				texts.push(_('Connections ended: %d.').format(reply.killed ?? 0));

			if (reply.ok && reply.resumable)
				texts.push(reply.why);

			ui.addNotification(null, E('p', {}, [ texts.join(' ') ]), reply.ok && !reply.resumable ? 'info' : 'warning');

			return reply.ok ? this.readGrants() : null;
		});
	}
});
