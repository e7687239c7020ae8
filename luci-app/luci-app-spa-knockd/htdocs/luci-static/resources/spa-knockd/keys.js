'use strict';
'require baseclass';
'require form';
'require spa-knockd.agree as agree';
'require spa-knockd.fields as fields';
'require spa-knockd.rpc as knock';
'require spa-knockd.validate as validate';

/*
 * The keys of a user: as base64 or passphrases, made on the router, and changed without a gap.
 */

const LIMITS = validate.LIMITS;

/* Puts a value into another field of the same form, as if it had been typed. */
function put(option, section_id, name, value) {
	const element = option.section.getUIElement(section_id, name);

	element?.setValue(value);
	element?.node.dispatchEvent(new CustomEvent('widget-change', { bubbles: true }));
	element?.triggerValidation();
}

function read(option, section_id, name) {
	return agree.text(option.section.formvalue(section_id, name));
}

/* Has the router make keys and puts them into these fields. */
function make(option, section_id, names, done) {
	const digest = read(option, section_id, 'hmac_digest') || 'sha256';

	return knock.keygen(digest).then(reply => {
		if (reply.ok) {
			put(option, section_id, names[0], reply.key_base64);
			put(option, section_id, names[1], reply.hmac_key_base64);
		}

		fields.say(option, section_id, 'done', reply.ok ? done : reply.error);

		return reply.ok;
	});
}

function setKinds(option, section_id, hmac) {
	put(option, section_id, '_key_kind', 'base64');
	put(option, section_id, '_hmac_kind', hmac);
}

/* A choice that stands for which option holds the key, and is itself none. */
function kindOf(option, load) {
	option.load = load;
	option.rmempty = false;
	option.write = function() {};
	option.remove = function() {};
}

function addPresent(s) {
	let o;

	o = s.taboption('keyring', form.Button, '_make', _('New keys'),
		_('Makes both keys on the router. The client that has the old ones is refused from the moment this is applied; to change keys without a gap, prepare new keys below instead.'));
	o.inputtitle = _('Make new keys');
	o.inputstyle = 'action';
	o.onclick = function(ev, section_id) {
		setKinds(this, section_id, 'base64');

		return make(this, section_id, [ 'key_base64', 'hmac_key_base64' ], _('New keys stand in the fields below. Save, then give them to the client.'));
	};

	o = s.taboption('keyring', fields.Choice, '_key_kind', _('Encryption key is'));
	o.value('base64', _('Base64'));
	o.value('passphrase', _('A passphrase'));
	kindOf(o, function(section_id) {
		const has = name => agree.text(this.map.data.get(fields.CONFIG, section_id, name)) != '';

		return (has('key') && !has('key_base64')) ? 'passphrase' : 'base64';
	});

	o = s.taboption('keyring', fields.Secret, 'key_base64', _('Encryption key'), _('The key that the client has as KEY_BASE64; 32 bytes at most.'));
	o.depends('_key_kind', 'base64');
	o.validate = fields.checkedBy(validate.keyBase64(LIMITS.key));

	o = s.taboption('keyring', fields.Secret, 'key', _('Encryption passphrase'),
		_('32 bytes at most. People choose words that can be guessed: keys made on the router are better, and fit into the QR code.'));
	o.depends('_key_kind', 'passphrase');
	o.validate = fields.checkedBy(validate.passphrase(LIMITS.key));

	o = s.taboption('keyring', fields.Choice, '_hmac_kind', _('HMAC key is'),
		_('The HMAC proves that a packet comes from the holder of the keys and was not altered. Without one, packets are only encrypted.'));
	o.value('base64', _('Base64'));
	o.value('passphrase', _('A passphrase'));
	o.value('none', _('None (weak)'));
	kindOf(o, function(section_id) {
		const has = name => agree.text(this.map.data.get(fields.CONFIG, section_id, name)) != '';

		if (has('hmac_key_base64'))
			return 'base64';

		return has('hmac_key') ? 'passphrase' : ((has('key') || has('key_base64')) ? 'none' : 'base64');
	});

	o = s.taboption('keyring', fields.Secret, 'hmac_key_base64', _('HMAC key'), _('The key that the client has as HMAC_KEY_BASE64; 136 bytes at most.'));
	o.depends('_hmac_kind', 'base64');
	o.validate = fields.checkedBy(validate.keyBase64(LIMITS.hmacKey));

	o = s.taboption('keyring', fields.Secret, 'hmac_key', _('HMAC passphrase'), _('128 bytes at most.'));
	o.depends('_hmac_kind', 'passphrase');
	o.validate = fields.checkedBy(validate.passphrase(LIMITS.hmacPassphrase));

	o = s.taboption('keyring', fields.Choice, 'hmac_digest', _('HMAC digest'), _('As the client has it. The phone app assumes SHA256 and knows no SHA3.'));
	o.default = 'sha256';

	for (const digest of validate.DIGESTS)
		o.value(digest, digest.toUpperCase());

	o = s.taboption('keyring', fields.Choice, 'encryption_mode', _('Encryption mode'),
		_('As the client has it. CBC is what every client uses; ECB and legacy are weak, and legacy is for clients before fwknop 2.5.'));
	o.default = 'cbc';

	for (const mode of validate.MODES)
		o.value(mode, (mode == 'legacy') ? _('legacy') : mode.toUpperCase());
}

function addNext(s) {
	const inRotation = { 'next_key_base64': '', '!reverse': true };
	let o;

	o = s.taboption('keyring', form.Button, '_prepare', _('Change keys without a gap'),
		_('First prepare new keys, save and apply: from then on the old and the new keys are valid. Give the new ones to the client. When it knocks with them, finish the rotation: the new keys replace the old ones.'));
	o.inputtitle = _('Prepare new keys');
	o.onclick = function(ev, section_id) {
		return make(this, section_id, [ 'next_key_base64', 'next_hmac_key_base64' ],
			_('The next keys stand below. Save and apply, then connect the client with them.')).then(ok => {
			/* A user without an HMAC key gets none by the way: the client would not use it before the end. */
			if (ok && read(this, section_id, '_hmac_kind') == 'none')
				fields.say(this, section_id, 'done', _('The next keys stand below, with an HMAC key that this user did not have. Save and apply, then connect the client with them.'));
		});
	};

	o = s.taboption('keyring', fields.Secret, 'next_key_base64', _('Next encryption key'), _('Valid beside the present key while keys are changed.'));
	o.validate = fields.checkedBy(validate.keyBase64(LIMITS.key));

	o = s.taboption('keyring', fields.Secret, 'next_hmac_key_base64', _('Next HMAC key'), _('Valid beside the present HMAC key while keys are changed.'));
	o.validate = fields.checkedBy(validate.keyBase64(LIMITS.hmacKey));

	o = s.taboption('keyring', form.Button, '_finish', _('The client has the next keys'), _('Puts the next keys into the place of the present ones, which are refused as soon as this is applied.'));
	o.inputtitle = _('Finish rotation');
	o.inputstyle = 'action';
	o.depends(inRotation);
	o.onclick = function(ev, section_id) {
		const hmac = read(this, section_id, 'next_hmac_key_base64');

		put(this, section_id, 'key_base64', read(this, section_id, 'next_key_base64'));
		put(this, section_id, 'hmac_key_base64', hmac);
		setKinds(this, section_id, hmac ? 'base64' : 'none');
		put(this, section_id, 'next_hmac_key_base64', '');
		put(this, section_id, 'next_key_base64', '');
	};

	o = s.taboption('keyring', form.Button, '_discard', _('The next keys are not wanted'), _('The present keys stay, and the next ones are refused as soon as this is applied.'));
	o.inputtitle = _('Discard next keys');
	o.inputstyle = 'remove';
	o.depends(inRotation);
	o.onclick = function(ev, section_id) {
		put(this, section_id, 'next_hmac_key_base64', '');
		put(this, section_id, 'next_key_base64', '');
	};
}

return baseclass.extend({
	/* Adds the fields of the tab `keyring` to the section of users. */
	addOptions(s) {
		addPresent(s);
		addNext(s);
	}
});
