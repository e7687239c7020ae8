/* One-time passwords: from a new user to a card in the wallet or a code in an app, and to their end. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { isOpen, person, readCode } from './browser.mjs';
import { fitsPhone } from './measures.mjs';
import { closeAll, configuration, root, step } from './steps.mjs';

const HOME = `${process.env.ETC}/..`;
const WORDS = /^(?:\[ \])? *(\d+) {2}((?:[A-Z]{1,4} ){5}[A-Z]{1,4})$/;

/* The card that was read off the screen: [ number, words ], the next one first. */
const journey = { card: null };

const record = user => readFileSync(`${HOME}/state/otp/${user}`, 'utf8');
const cell = (user, name) => root.page.locator(`tr[data-sid="${user}"] td[data-name="_${name}"]`);
const button = (user, words) => root.page.locator(`tr[data-sid="${user}"] button:visible:text-is("${words}")`);
const field = name => root.page.locator(`.modal [data-name="${name}"]`).last();

/* One exchange with the page's desk, as its program has it. */
function ask(what, peer = '203.0.113.2') {
	return new Promise((resolve, reject) => {
		const socket = createConnection(`${HOME}/run/web.sock`);
		let said = '';

		socket.on('error', reject);
		socket.on('data', data => { said += data; });
		socket.on('end', () => resolve(JSON.parse(said).outcome));
		socket.write(`${JSON.stringify({ v: 1, visit: { peer, forwarded: null, tls: true, host: 'router' }, what })}\n`);
	});
}

/* What comes of this password; the answer to a wrong one takes a second. */
async function logIn(user, response, peer) {
	const { form } = await ask({ form: { user } }, peer);

	return ask({ login: { token: form.token, user, response, address: null, services: null, sign_off: false } }, peer);
}

/* What is shown, once it is asked for. */
async function shown(words) {
	assert.equal(await root.page.locator('.modal pre').count(), 0, 'nothing is shown before');
	await root.press(words);

	return root.page.innerText('.modal pre');
}

function cardOf(text) {
	return text.split('\n').map(line => WORDS.exec(line)).filter(Boolean).map(([ , number, words ]) => [ Number(number), words ]);
}

step('the page of passwords is off, and says so', async () => {
	await root.go('passwords');
	await root.see('The page is switched off');
	await root.shot('passwords fresh');
});

step('a new user gets a card, which is shown once', async () => {
	await root.press('New user…');
	await field('_name').locator('input').fill('<script>');
	await root.press('Make the passwords');
	await root.page.locator('.modal', { hasText: 'Only letters, digits and underscores' }).waitFor();
	await field('_name').locator('input').fill('wallet');
	await field('_count').locator('input').fill('12');
	await field('_page').locator('input[type=checkbox]').check();
	await root.shot('new passwords');
	await root.press('Make the passwords');
	await root.see('They are shown this once');
	await root.press('Apply now');
	await root.see('In force: these passwords');

	const text = await shown('Show the passwords');

	journey.card = cardOf(text);
	assert.deepEqual(journey.card.map(([ number ]) => number), [ 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 ]);
	await root.shot('card');
	await root.page.evaluate(() => {
		/* In the document that is printed; nobody has a printer here. */
		Object.defineProperty(HTMLIFrameElement.prototype, 'contentWindow', { get() {
			return { addEventListener() {}, print: () => { window.printed = this.contentDocument.body.innerText; } };
		} });
	});
	await root.press('Print the card');
	assert.deepEqual(cardOf(await root.page.evaluate(() => window.printed)), journey.card);
	assert.match(configuration(), /config otp 'wallet'\n\toption enabled '1'\n\tlist open 'tcp\/22'/);
	assert.match(record('wallet'), /^kind chain$/m);

	for (const [ , words ] of journey.card)
		assert.ok(!configuration().includes(words) && !record('wallet').includes(words));

	await root.press('Close', '.modal');
	await cell('wallet', 'passwords').and(root.page.locator(':text-is("Card: 12 left")')).waitFor();
	assert.equal(await root.page.locator('iframe').count(), 0, 'the paper is gone');
	assert.doesNotMatch(await root.page.content(), new RegExp(journey.card[0][1]));
});

step('the page says where it is', async () => {
	await root.go('passwords');
	await root.page.locator('a[href$=":8443/"]').waitFor();
	await root.shot('passwords');
});

step('a password of the card opens the port, and is gone', async () => {
	await closeAll();
	assert.equal(isOpen(22), false);

	const { opened } = await logIn('wallet', journey.card[0][1]);

	assert.equal(opened.passwords_left, 11);
	assert.equal(isOpen(22), true);
	assert.equal((await logIn('wallet', journey.card[0][1])).opened, undefined);
	await ask({ close: { ticket: opened.ticket } });
	assert.equal(isOpen(22), false);

	for (const [ , words ] of journey.card.slice(1, 4))
		await ask({ close: { ticket: (await logIn('wallet', words)).opened.ticket } });

	await root.go('passwords');
	await cell('wallet', 'passwords').and(root.page.locator(':text-is("Card: only 8 left, make new ones")')).waitFor({ timeout: 8000 });
	await root.go('status');
	await root.see('wallet has only 8 one-time passwords left');
});

step('new passwords come in the place of the old ones, from a passphrase that is typed twice', async () => {
	const phrase = 'a horse, a battery & <a staple>';

	await root.go('passwords');
	await button('wallet', 'Renew…').click();
	await field('_source').locator('select').selectOption('typed');
	await field('_passphrase').locator('input').fill('too short');
	await field('_again').locator('input').fill('too short');
	await root.press('Make the passwords');
	await root.page.locator('.modal', { hasText: 'At least 10 characters; a sentence' }).waitFor();
	await field('_passphrase').locator('input').fill(phrase);
	await field('_again').locator('input').fill(`${phrase}!`);
	await root.press('Make the passwords');
	await root.page.locator('.modal', { hasText: 'The two passphrases differ' }).waitFor();
	await field('_again').locator('input').fill(phrase);
	await root.press('Make the passwords');
	await root.see('They are shown this once');

	const fresh = cardOf(await shown('Show the passwords'));

	assert.equal(fresh.length, 50);
	await root.press('Close', '.modal');
	assert.equal((await logIn('wallet', journey.card[4][1])).opened, undefined);
	assert.ok((await logIn('wallet', fresh[0][1])).opened);

	/* The same passphrase shows what is left. */
	await button('wallet', 'Card…').click();
	await field('_passphrase').locator('input').fill('another passphrase');
	await root.press('Show the card');
	await root.see('the passphrase is not the one');
	await field('_passphrase').locator('input').fill(phrase);
	await field('_count').locator('input').fill('3');
	await root.press('Show the card');
	await root.page.locator('.modal button:text-is("Show the passwords")').waitFor();
	assert.deepEqual(cardOf(await shown('Show the passwords')), fresh.slice(1, 4));
	await root.press('Close', '.modal');
});

step('an app reads its secret off the screen, and its code is the one of another program', async () => {
	await root.press('New user…');
	await field('_name').locator('input').fill('pocket');
	await field('_kind').locator('select').selectOption('totp');
	await root.press('Make the passwords');
	await root.see('They are shown this once');
	await root.press('Apply now');
	await root.see('In force: these passwords');
	assert.equal(await root.page.locator('.modal svg[role=img]').count(), 0);

	const uri = await shown('Show the QR code');

	await root.page.waitForSelector('.modal svg[role=img]');
	await root.shot('app');
	assert.equal(await readCode(root.page), uri);

	const secret = /^otpauth:\/\/totp\/spa-knockd:pocket\?secret=([A-Z2-7]+)&/.exec(uri)[1];
	const code = String(execFileSync('oathtool', [ '--totp', '--base32', '-' ], { input: secret })).trim();

	await root.press('Close', '.modal');
	assert.ok((await logIn('pocket', code)).opened, 'the code opens');
	assert.equal((await logIn('pocket', code)).opened, undefined, 'and only once');
});

step('whoever guesses codes keeps single ones out, until the owner is forgiven', async () => {
	/* The last two come when single codes are looked at again, after 2 and after 4 seconds. */
	for (const [ guess, pause ] of [ 0, 0, 0, 2100, 4100, 0 ].entries()) {
		await logIn('pocket', String(111111 * (guess + 1)), `198.51.100.${guess + 1}`);
		await new Promise(resolve => setTimeout(resolve, pause));
	}

	await root.go('passwords');
	await cell('pocket', 'lock').and(root.page.locator(':text("two codes in a row are taken")')).waitFor({ timeout: 8000 });
	await root.shot('passwords locked');
	await button('pocket', 'Forgive').click();
	await root.see('The wrong codes of pocket are forgotten.');
	await cell('pocket', 'lock').and(root.page.locator(':text-is("not locked")')).waitFor({ timeout: 8000 });
	assert.equal(await button('pocket', 'Forgive').count(), 0);
});

step('the options of a user and of the page are kept, and wrong ones refused', async () => {
	await root.go('passwords');
	await root.edit('pocket');
	await root.tab('limits');
	await root.field('allow_override').locator('input[type=checkbox]').check();
	await root.tab('general');
	await root.field('timeout').locator('input').fill('0');
	await root.press('Save', '.modal');
	await root.page.locator('.modal', { hasText: 'Write a whole number' }).first().waitFor();
	await root.field('timeout').locator('input').fill('120');
	await root.save();
	await root.tab('server');
	await root.field('plain_port').locator('input').fill('8443');
	await root.page.locator('.cbi-page-actions .cbi-button-save').first().click();
	await root.see('This is the port with TLS.');
	await root.press('Dismiss', '.modal');
	/* LuCI says it in the console, too. */
	assert.match(root.faults.splice(0).join('\n'), /^[^\n]*This is the port with TLS\.$/);
	await root.field('plain_port').locator('input').fill('8080');
	await root.apply();
	assert.match(configuration(), /config otp 'pocket'[^]*option timeout '120'/);
	assert.match(configuration(), /option allow_override '1'/);
	assert.match(configuration(), /config page 'page'[^]*option plain_port '8080'/);
	await root.see('can be seen without TLS at port 8080');
});

step('a user who is removed has no passwords any more', async () => {
	await root.go('passwords');
	await button('wallet', 'Remove').click();
	await root.page.locator('.modal', { hasText: 'end at once and for good' }).waitFor();
	await root.press('Remove', '.modal');
	await root.page.locator('tr[data-sid="wallet"]').waitFor({ state: 'detached' });
	assert.equal(existsSync(`${HOME}/state/otp/wallet`), false);
	await root.apply();
	assert.doesNotMatch(configuration(), /'wallet'/);

	/* Passwords whose user went by another way are found. */
	execFileSync(process.env.PROGRAM, [ 'otp', 'add', 'lost', '--hotp', '--state-dir', `${HOME}/state` ], { stdio: 'ignore' });
	await root.page.locator('table[aria-label="Passwords without a user"] tr', { hasText: 'lost' }).locator('button:text-is("Make the user…")').click({ timeout: 8000 });
	await root.press('Create');
	await cell('lost', 'passwords').and(root.page.locator(':text-is("Counting app")')).waitFor();
	await root.apply();
	assert.match(configuration(), /config otp 'lost'/);
	await closeAll();
});

step('the dialogs of passwords fit a phone', async () => {
	for (const dark of [ false, true ]) {
		const one = await person({ width: 360, dark });
		const look = title => fitsPhone(one, `${title}${dark ? ' dark' : ''}`);

		await one.go('passwords');
		await one.press('New user…');
		await look('new user of passwords');
		await one.press('Dismiss', '.modal');
		await one.page.locator('tr[data-sid="lost"] button:text-is("Renew…")').click();
		await one.page.locator('.modal [data-name="_kind"] select').selectOption('chain');
		await one.press('Make the passwords');
		await one.press('Show the passwords');
		await look('card on a phone');
		await one.press('Close', '.modal');
		await one.edit('lost');

		for (const name of [ 'general', 'limits', 'forward', 'advanced' ]) {
			await one.tab(name);
			await look(`edit passwords ${name}`);
		}

		assert.deepEqual(one.faults, []);
		await one.page.context().close();
	}
});

step('the status page says why passwords were refused; the page is switched off', async () => {
	await root.go('status');
	await root.see('It was not the password or the code that was asked for.');
	await root.go('passwords');
	await root.tab('server');
	await root.field('plain_port').locator('input').fill('');
	await root.tab('visitors');
	await root.page.locator('[data-name="enabled"][data-field$=".page.enabled"] input[type=checkbox]').uncheck();
	await root.apply();
	await root.see('The page is switched off');
	assert.doesNotMatch(configuration(), /plain_port/);
});
