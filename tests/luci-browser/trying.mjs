/* The page on which a knock is tried. */
import assert from 'node:assert/strict';
import { knock, packet } from './browser.mjs';
import { EVIL, closeAll, journey, root, step } from './steps.mjs';

/* A capture file of one IPv4 packet without a link layer, made now. */
function capture(payload) {
	const file = Buffer.alloc(24 + 16), frame = Buffer.alloc(20 + 8 + payload.length);

	[ 0xa1b2c3d4, 0x00020004, 0, 0, 65535, 101, Math.floor(Date.now() / 1000), 0, frame.length, frame.length ].forEach((word, place) => file.writeUInt32BE(word, place * 4));
	frame.writeUInt16BE(0x4500, 0);
	frame.writeUInt16BE(frame.length, 2);
	frame.writeUInt16BE(0x4011, 8);
	frame.set([ 203, 0, 113, 2, 203, 0, 113, 1 ], 12);
	[ 40000, 62201, 8 + payload.length, 0 ].forEach((half, place) => frame.writeUInt16BE(half, 20 + place * 2));
	frame.write(payload, 28, 'latin1');

	return Buffer.concat([ file, frame ]);
}

async function told(words) {
	await root.page.locator('#view [role=status]', { hasText: words }).first().waitFor();
}

step('a packet that is pasted is judged, and opens nothing', async () => {
	await closeAll();
	await root.go('test');
	await root.press('What would happen?');
	await told('Paste the text of a packet first.');

	for (const [ text, words ] of [
		[ packet(journey.keys), 'This knock would be honoured, for "phone".' ],
		[ packet(journey.keys, 'tcp/25'), 'This knock would be refused, for "phone".' ],
		[ 'A'.repeat(200), 'This packet would be refused.' ],
		[ EVIL.repeat(8), 'This packet would be refused.' ],
		[ 'short', 'This packet would be refused.' ],
		[ 'A'.repeat(1501), 'That is no knock: none is longer than 1500 characters.' ]
	]) {
		await root.page.fill('#spa-knockd-payload', text);
		await root.press('What would happen?');
		await told(words);
	}

	await root.page.fill('#spa-knockd-payload', packet(journey.keys));
	await root.page.fill('#spa-knockd-source', EVIL);
	await root.press('What would happen?');
	await told('This did not work:');
	await root.page.fill('#spa-knockd-source', '203.0.113.66');
	await root.page.fill('#spa-knockd-port', '70000');
	await root.press('What would happen?');
	await told('A port is a number from 0 to 65535.');
	await root.page.fill('#spa-knockd-port', '9');
	await root.press('What would happen?');
	await told('203.0.113.2 could reach tcp/22 for 55 s.');
	await told('spa-knockd does not listen for such a packet');
	await root.shot('test pasted');
	await root.go('status');
	await root.see('Nothing is open.');
});

step('a capture that is uploaded is judged packet by packet', async () => {
	await root.go('test');
	await root.press('What would have happened?');
	await told('Choose a file first.');

	for (const [ buffer, words ] of [
		[ capture(packet(journey.keys)), 'This knock would be honoured, for "phone".' ],
		[ capture(EVIL.repeat(8)), 'This packet would be refused.' ],
		[ Buffer.from(EVIL), 'This did not work:' ],
		[ Buffer.alloc(50000), 'The file has 50000 bytes, and at most 48000 can be sent' ]
	]) {
		await root.page.setInputFiles('#spa-knockd-file', { name: EVIL, mimeType: 'application/octet-stream', buffer });
		await root.press('What would have happened?');
		await told(words);
	}
});

step('the next knock is waited for, and told from what else comes', async () => {
	await root.go('test');
	await root.press('Wait for a knock');
	await told('Knock now.');
	assert.match(await root.text(), /\b(60|59) s left/);
	knock({ ...journey.keys, hmac: Buffer.alloc(64, 7).toString('base64') });
	await told('Counted meanwhile, no knock of yours: 1 × The HMAC is wrong or missing');
	knock(journey.keys);
	await told('The knock was honoured.');
	await told('Opened tcp/22 for 203.0.113.2, for 55 s.');
	await root.shot('test waited');

	await root.press('Wait for a knock');
	await told('Knock now.');
	knock(journey.keys, 'tcp/25');
	await told('The knock is genuine, and was refused.');

	await root.press('Wait for a knock');
	await told('Knock now.');
	await root.press('Stop waiting');
	await told('No packet arrived.');
	assert.equal(await root.page.locator('button:visible:text-is("Stop waiting")').count(), 0);
	await closeAll();
});

step('after a minute, nobody waits any more', async () => {
	await root.page.clock.install();
	await root.go('test');
	await root.press('Wait for a knock');
	await told('Knock now.');
	await root.page.clock.fastForward(59000);
	await told('1 s left');
	await root.page.clock.fastForward(3000);
	await told('No packet arrived.');
	await root.page.clock.resume();
});
