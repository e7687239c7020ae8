/*
 * A person who has nothing but a browser and a card, or an app; in the order of these tests.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, test } from 'node:test';
import { close, person } from './browser.mjs';
import { code, echoes, isOpen, knockAt, ME, ME6, PAGE, PAGE6, password, PLAIN, until } from './visitor.mjs';

const visitors = [];
let failed = null;

/* A step upon those before it; where it fails, pictures of what the visitors saw are kept. */
function step(title, work) {
	test(title, async context => {
		if (failed)
			return context.skip(`after "${failed}"`);

		try {
			await work();

			for (const visitor of visitors)
				assert.deepEqual(visitor.faults.splice(0), []);
		}
		catch (error) {
			failed = title;
			await Promise.all(visitors.map((visitor, number) => visitor.shot(`failed ${number} ${title}`).catch(() => {})));
			throw error;
		}

		await Promise.all(visitors.splice(0).map(visitor => visitor.leave()));
	});
}

async function visitor(options) {
	const visitor = await person(options);

	visitors.push(visitor);

	return visitor;
}

/* A connection that goes on through all of this. */
const sessions = [];

async function begin(from) {
	const socket = await knockAt(22, from);

	assert.ok(socket, `the door is shut for ${from}`);
	assert.ok(await echoes(socket, 'hello'));
	sessions.push(socket);
}

after(async () => {
	await close();
	sessions.forEach(socket => socket.destroy());
});

step('over IPv4, the words of the card open the door', async () => {
	const alice = await visitor();

	assert.equal(await isOpen(22), false);
	await alice.page.goto(PAGE);
	assert.equal(await alice.title(), 'Open Sesame');
	await alice.shot('entry');
	await alice.name('alice');
	assert.equal(await alice.challenge(), 'otp-md5 98 ke1234 ext');
	assert.match(await alice.text(), new RegExp(`Your address\\s+${ME}`));
	assert.match(await alice.text(), /tcp\/22 for 15 seconds/);
	await alice.shot('form');
	await alice.type(password(await alice.challenge()).words.toLowerCase());
	await alice.press('Open Sesame');
	assert.equal(await alice.title(), 'It is open');
	await begin(ME);
	assert.match(await alice.text(), /tcp\/22[^]+203\.0\.113\.2[^]+seconds[^]+alice[^]+97/);
	assert.equal(await isOpen(22, '203.0.113.66'), false, 'it is open to a stranger, too');
	assert.equal(await isOpen(22, ME6), false, 'it is open over IPv6, too');
});

step('over IPv6, so does its hex, on a small screen in the dark, without scripts', async () => {
	const bob = await visitor({ width: 320, dark: true, scripts: false });

	await bob.page.goto(PAGE6);
	await bob.shot('entry-320-dark');
	await bob.name('bob');
	assert.equal(await bob.challenge(), 'otp-sha1 98 ke1234 ext');
	assert.match(await bob.text(), new RegExp(`Your address\\s+${ME6}`));
	await bob.type(password(await bob.challenge()).hex);
	await bob.shot('form-320-dark');
	/* As with a keyboard. */
	await bob.page.press('[name=response]', 'Enter');
	await bob.page.waitForSelector('h1:text-is("It is open")');
	await begin(ME6);
	await bob.shot('open-320-dark');
});

step('when the time is up both stay connected, and nobody else gets in', async () => {
	for (const from of [ ME, ME6 ])
		await until(`the end of what is open for ${from}`, async () => !await isOpen(22, from));

	for (const socket of sessions)
		assert.ok(await echoes(socket, 'still there'));
});

step('"Show again" shows it, "Close now" closes it, and what is connected stays', async () => {
	const carol = await visitor({ width: 320 });

	await carol.page.goto(`${PAGE}?user=carol`);
	await carol.type(password(await carol.challenge()).hex.toUpperCase());
	await carol.press('Open Sesame');
	assert.equal(await carol.title(), 'It is open');
	assert.match(await carol.text(), /(4 minutes \d+ seconds|5 minutes)/);
	await carol.shot('open-320');
	await carol.press('Show again');
	assert.equal(await carol.title(), 'It is open');
	assert.doesNotMatch(await carol.text(), /Passwords left/);
	await begin(ME);
	await carol.press('Close now');
	assert.equal(await carol.title(), 'It is closed');
	assert.equal(await isOpen(22), false);
	assert.ok(await echoes(sessions.at(-1), 'still there'));
	await carol.shot('closed-320');
});

step('another password signs off from another browser', async () => {
	const here = await visitor({ width: 480 }), there = await visitor({ scripts: false });

	await here.page.goto(`${PAGE}?user=carol`);
	await here.type(password(await here.challenge()).words);
	await here.shot('page');
	await here.press('Open Sesame');
	assert.equal(await here.title(), 'It is open');
	assert.equal(await isOpen(22), true);
	await here.shot('open');
	await there.page.goto(`${PAGE}?user=carol`);
	await there.type(password(await there.challenge()).words);
	await there.press('Close what is open');
	await there.shot('sign-off');
	await there.press('Close instead');
	assert.equal(await there.title(), 'It is closed');
	assert.equal(await isOpen(22), false);
	await here.press('Show again');
	assert.equal(await here.title(), 'It is over');
});

step('a code of an authenticator opens what is chosen', async () => {
	const phone = await visitor({ width: 320 });

	await phone.page.goto(`${PAGE}?user=phone`);
	assert.equal(await phone.page.locator('[name=service]:checked').count(), 2);
	await phone.page.uncheck('[name=service][value="tcp/443"]');
	await phone.type(code());
	await phone.shot('form-320');
	await phone.press('Open Sesame');
	assert.equal(await phone.title(), 'It is open');
	assert.deepEqual([ await isOpen(22), await isOpen(443) ], [ true, false ]);
	await phone.press('Close now');
	assert.equal(await phone.title(), 'It is closed');
});

step('without encryption there is a page for those networks alone that may, and it says so', async () => {
	const plain = await visitor();
	const answer = await plain.page.goto('http://203.0.113.1/cgi-bin/open-sesame?user=carol');

	assert.deepEqual([ answer.status(), await plain.title() ], [ 403, 'Not without encryption' ]);
	await plain.page.goto(`${PLAIN}?user=carol`);
	assert.match(await plain.text(), /not encrypted/);
	await plain.type(password(await plain.challenge()).words);
	await plain.shot('form-plain');
	await plain.press('Open Sesame');
	assert.equal(await plain.title(), 'It is open');
	assert.equal(await isOpen(22, ME6), true);
	await plain.press('Close now');
	assert.equal(await isOpen(22, ME6), false);
	/* Chromium minds this one header of ours where there is no encryption. */
	plain.faults.splice(0, Infinity, ...plain.faults.filter(fault => !fault.startsWith('The Cross-Origin-Opener-Policy header has been ignored')));
});

step('another site can neither send a form, not even a true one, nor put the page into a frame', async () => {
	const carol = await visitor(), victim = await visitor();

	await carol.page.goto(`${PAGE}?user=carol`);

	const token = await carol.page.inputValue('[name=token]');
	const right = password(await carol.challenge());
	const pages = {
		'/form': `<form method=post action="${PAGE}"><input name=do value=open><input name=token value=${token}>` +
			`<input name=user value=carol><input name=response value="${right.words}"><button>Win</button></form>`,
		'/frame': `<iframe src="${PAGE}?user=carol"></iframe>`
	};
	const evil = createServer((request, response) => {
		/* It does not tell where its visitors come from, so that its forms look like ours. */
		response.setHeader('Referrer-Policy', 'no-referrer');
		response.setHeader('Content-Type', 'text/html');
		response.end(`<!DOCTYPE html>${pages[request.url] ?? ''}`);
	});

	await new Promise(resolve => evil.listen(8080, '203.0.113.66', resolve));

	try {
		const answer = victim.page.waitForResponse(response => response.url() == PAGE);

		await victim.page.goto('http://203.0.113.66:8080/form');
		await victim.page.locator('button').click();
		assert.equal((await answer).status(), 403);
		await victim.page.waitForSelector('h1:text-is("Nothing was opened")');
		assert.match(await victim.text(), /sent by this page but by another one|not sent by this page/);
		assert.equal(await isOpen(22), false);
		victim.faults.splice(0);

		const framed = victim.page.waitForEvent('console', message => /frame/i.test(message.text()));

		await victim.page.goto('http://203.0.113.66:8080/frame');
		await framed;
		assert.equal(await victim.page.frameLocator('iframe').locator('[name=response]').count(), 0);
		victim.faults.splice(0);
	}
	finally {
		evil.closeAllConnections();
		evil.close();
	}

	await carol.type(right.words);
	await carol.press('Open Sesame');
	assert.equal(await carol.title(), 'It is open', 'the password was spent');
	await carol.press('Close now');
});

step('a wrong password opens nothing, and the page does not say why', async () => {
	const alice = await visitor({ width: 320, dark: true });

	await alice.page.goto(`${PAGE}?user=alice`);
	await alice.press('Open Sesame');
	assert.equal(await alice.title(), 'Open Sesame', 'the browser lets nobody send an empty form');
	await alice.type('0123 4567 89ab cdef');
	await alice.press('Open Sesame');
	assert.equal(await alice.title(), 'Nothing was opened');
	assert.doesNotMatch(await alice.page.content(), /alice|cdef/);
	assert.equal(await isOpen(22), false);
	await alice.shot('refused-320-dark');
});

step('every page fits a narrow window', async () => {
	for (const dark of [ false, true ]) {
		const visitor_ = await visitor({ width: 320, dark });

		for (const url of [ PAGE6, `${PAGE6}?user=phone`, `${PAGE6}?user=${'W'.repeat(64)}`, `${PAGE6}?wrong=1` ]) {
			await visitor_.page.goto(url);
			assert.ok(await visitor_.fits(), url);
		}
	}
});

step('without the daemon the page says so', async () => {
	const alice = await visitor();

	await alice.page.goto(`${PAGE}?user=alice`);
	process.kill(Number(process.env.DAEMON), 'SIGTERM');
	await until('the end of the daemon', async () => {
		const answer = await alice.page.goto(PAGE);

		return answer.status() == 503 && await alice.title() == 'Nobody answers';
	});
	await alice.shot('away');
});
