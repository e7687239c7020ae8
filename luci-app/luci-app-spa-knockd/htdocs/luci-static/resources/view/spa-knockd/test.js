'use strict';
'require view';
'require ui';
'require spa-knockd.draw as draw';
'require spa-knockd.rpc as knock';
'require spa-knockd.verdict as verdict';
'require spa-knockd.waiting as waiting';
'require spa-knockd.words as words';

/* Seconds that the next knock is waited for, and from one look to the next. */
const PATIENCE = 60, EVERY = 2;

/* Characters of the longest knock. */
const PACKET_MAX = 1500;

/* Bytes that are made to base64 in one go: as many arguments as every browser lets a function have. */
const CHUNK = 8190;

function base64(bytes) {
	let text = '';

	/* A multiple of three, so that the parts can be joined. */
	for (let start = 0; start < bytes.length; start += CHUNK)
		text += btoa(String.fromCharCode(...bytes.subarray(start, start + CHUNK)));

	return text;
}

function message(kind, children) {
	return E('div', { 'class': 'alert-message ' + kind }, [ ...children ]);
}

function failed(error) {
	return message('danger', [ E('p', {}, [ E('strong', {}, [ _('This did not work:') ]), ' ', error ]) ]);
}

function pairs(list) {
	const table = draw.facts();

	table.update(list);

	return table.node;
}

/* One packet's verdict. */
function told(explanation, isOnly) {
	const { packet, good, title, lines, stanzas, fields } = verdict.tell(explanation);

	return E('div', { 'class': 'cbi-section' }, [
		isOnly ? null : E('h4', {}, [ packet ]),
		message(good ? 'success' : 'warning', [ E('p', {}, [ E('strong', {}, [ title ]) ]), ...lines.map(line => E('p', {}, [ line ])) ]),
		stanzas.length ? E('h5', {}, [ _('User by user') ]) : null,
		stanzas.length ? pairs(stanzas.map(stanza => [ stanza.access, stanza.text ])) : null,
		fields.length ? E('h5', {}, [ _('What the knock says') ]) : null,
		fields.length ? pairs(fields) : null
	]);
}

function field(id, title, help, input) {
	input.id = id;

	return E('div', { 'class': 'cbi-value' }, [
		E('label', { 'class': 'cbi-value-title', 'for': id }, [ title ]),
		E('div', { 'class': 'cbi-value-field' }, [ input, E('div', { 'class': 'cbi-value-description' }, [ help ]) ])
	]);
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	render() {
		this.stop = E('button', { 'class': 'btn cbi-button', 'type': 'button', 'click': () => { this.ends = 0; } }, [ _('Stop waiting') ]);
		draw.show(this.stop, false);
		this.result = E('div', { 'role': 'status', 'aria-live': 'polite' });
		this.payload = E('textarea', { 'class': 'cbi-input-textarea', 'rows': '4', 'spellcheck': 'false', 'autocomplete': 'off' });
		this.source = E('input', { 'class': 'cbi-input-text', 'type': 'text', 'placeholder': '192.0.2.1', 'autocomplete': 'off' });
		this.transport = E('select', { 'class': 'cbi-input-select' }, [
			E('option', { 'value': 'udp' }, [ 'UDP' ]),
			E('option', { 'value': 'tcp' }, [ 'TCP' ]),
			E('option', { 'value': 'icmp' }, [ 'ICMP' ])
		]);
		this.port = E('input', { 'class': 'cbi-input-text', 'type': 'number', 'min': '0', 'max': '65535', 'placeholder': '62201' });
		this.file = E('input', { 'type': 'file', 'accept': '.pcap,.pcapng,.cap' });

		return E('div', {}, [
			E('h2', {}, [ _('Test a Knock') ]),
			E('p', {}, [ _('Here you learn what becomes of a knock and why. Nothing that you paste or upload opens anything.') ]),
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [ _('Wait for the next knock') ]),
				E('p', {}, [ _('Press the button, then knock with the phone. This is a real knock: if it is good, it opens.') ]),
				E('p', {}, [
					this.button(_('Wait for a knock'), 'cbi-button-action important', () => this.wait()),
					' ',
					this.stop
				])
			]),
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [ _('Paste a packet') ]),
				field('spa-knockd-payload', _('Packet'), _('The text of one knock, as "fwknop -B FILE" saves it.'), this.payload),
				field('spa-knockd-source', _('Sender'), _('The address that it would come from, IPv4 or IPv6. Empty: 192.0.2.1.'), this.source),
				field('spa-knockd-transport', _('Transport'), _('How it would come.'), this.transport),
				field('spa-knockd-port', _('Port'), _('Where it would be sent to. Empty: the first port of the settings.'), this.port),
				E('p', {}, [ this.button(_('What would happen?'), 'cbi-button-apply', () => this.explain()) ])
			]),
			E('div', { 'class': 'cbi-section' }, [
				E('h3', {}, [ _('Upload a capture') ]),
				field('spa-knockd-file', _('File'), _('What tcpdump or Wireshark has saved, at most %d bytes. Every packet is judged at its own time.').format(knock.CAPTURE_MAX), this.file),
				E('p', {}, [ this.button(_('What would have happened?'), 'cbi-button-apply', () => this.explainCapture()) ])
			]),
			E('h3', {}, [ _('Result') ]),
			this.result
		]);
	},

	button(text, kind, handler) {
		return E('button', { 'class': 'btn cbi-button ' + kind, 'type': 'button', 'click': ui.createHandlerFn(this, handler) }, [ text ]);
	},

	show(children) {
		this.result.replaceChildren(...children);
		this.result.scrollIntoView({ block: 'nearest' });
	},

	/* One packet that was pasted. */
	explain() {
		const payload = this.payload.value.trim(), port = this.port.value.trim();

		if (!payload.length)
			return this.show([ failed(_('Paste the text of a packet first.')) ]);

		if (payload.length > PACKET_MAX)
			return this.show([ failed(_('That is no knock: none is longer than %d characters.').format(PACKET_MAX)) ]);

		if (port.length && !(/^[0-9]{1,5}$/.test(port) && Number(port) <= 65535))
			return this.show([ failed(_('A port is a number from 0 to 65535.')) ]);

		return knock.explain(payload, {
			source: this.source.value.trim(),
			transport: this.transport.value,
			port: port.length ? Number(port) : undefined
		}).then(reply => this.answer(reply));
	},

	/* A capture file; it is read here and kept nowhere. */
	explainCapture() {
		const file = this.file.files[0];

		if (!file)
			return this.show([ failed(_('Choose a file first.')) ]);

		if (file.size > knock.CAPTURE_MAX)
			return this.show([ failed(_('The file has %d bytes, and at most %d can be sent: save fewer packets, as "tcpdump -c 20" does.').format(file.size, knock.CAPTURE_MAX)) ]);

		return file.arrayBuffer().then(
			buffer => knock.explainCapture(base64(new Uint8Array(buffer))).then(reply => this.answer(reply)),
			() => this.show([ failed(_('The file cannot be read.')) ])
		);
	},

	answer(reply) {
		if (!reply.ok)
			return this.show([ failed(reply.error) ]);

		const explanations = reply.explanations ?? [];

		if (!explanations.length)
			return this.show([ failed(_('There is no packet in it.')) ]);

		return this.show([
			E('p', {}, [ _('Whether a knock was seen before is not looked at here: the real one opens once only.') ]),
			...explanations.map(explanation => told(explanation, explanations.length == 1))
		]);
	},

	/* Waits for the next genuine knock, and says what else comes meanwhile. */
	wait() {
		return Promise.all([ knock.status(), knock.events() ]).then(([ status, events ]) => {
			const problem = [ status, events ].find(reply => !reply.ok);

			if (problem)
				return this.show([ failed(problem.error) ]);

			const start = waiting.begin(status, events);

			this.ends = performance.now() + PATIENCE * 1000;
			draw.show(this.stop, true);
			this.clock = E('strong', {});
			this.seen = E('div', {});
			/* What ticks is not read out each time. */
			this.show([ message('notice', [ E('p', {}, [ _('Knock now.'), ' ', E('span', { 'aria-live': 'off' }, [ this.clock ]) ]), this.seen ]) ]);

			return this.waitOn(start, status, events).finally(() => { draw.show(this.stop, false); });
		});
	},

	waitOn(start, status, events) {
		const since = waiting.since(start, status, events), left = (this.ends - performance.now()) / 1000;

		if (since.knocks.length)
			return Promise.resolve(this.show(since.knocks.map(event => this.heard(event))));

		if (left <= 0 || !this.result.isConnected)
			return Promise.resolve(this.show(this.nothingHeard(since)));

		draw.text(this.clock, _('%d s left').format(Math.ceil(left)));
		draw.text(this.seen, since.junk.map(one => _('Counted meanwhile, no knock of yours: %d × %s').format(one.count, one.text)).join(' '));

		return new Promise(resolve => setTimeout(resolve, EVERY * 1000))
			.then(() => Promise.all([ knock.status(), knock.events() ]))
			.then(([ now, then ]) => {
				const problem = [ now, then ].find(reply => !reply.ok);

				return problem ? this.show([ failed(problem.error) ]) : this.waitOn(start, now, then);
			});
	},

	/* A genuine knock. */
	heard(event) {
		const isGrant = event.kind == 'grant';

		return message(isGrant ? 'success' : 'warning', [
			E('p', {}, [ E('strong', {}, [ isGrant ? _('The knock was honoured.') : _('The knock is genuine, and was refused.') ]) ]),
			E('p', {}, [ words.event(event) ]),
			pairs([ [ _('User'), event.access ?? '' ], [ _('User in the knock'), event.user ?? '' ], [ _('Knock from'), event.from ?? '' ] ])
		]);
	},

	/* What may be wrong where nothing genuine came. */
	nothingHeard({ junk, refused, arrived }) {
		if (refused.length)
			return [ message('warning', [
				E('p', {}, [ E('strong', {}, [ _('Genuine knocks were refused, more than are listed one by one.') ]) ]),
				...refused.map(one => E('p', {}, [ _('%d × %s').format(one.count, one.text) ]))
			]) ];

		if (junk.length)
			return [ message('warning', [
				E('p', {}, [ E('strong', {}, [ _('Packets came, but no knock that holds the keys. They may be a stranger\'s, or yours with other keys.') ]) ]),
				...junk.map(one => E('p', {}, [ _('%d × %s').format(one.count, one.text) ]))
			]) ];

		return [ message('warning', [
			E('p', {}, [ E('strong', {}, [ arrived ? _('Packets came, and none of them was judged.') : _('No packet arrived.') ]) ]),
			E('ul', {}, [
				E('li', {}, [ _('Does the phone knock at the address that the router has on the internet, and at the port of the settings?') ]),
				E('li', {}, [ _('Is the phone outside? Switch its Wi-Fi off: from within, a knock does not come over the watched network.') ]),
				E('li', {}, [ _('Is there another router or the provider\'s NAT before this one? It must let the port through to here.') ])
			])
		]) ];
	}
});
