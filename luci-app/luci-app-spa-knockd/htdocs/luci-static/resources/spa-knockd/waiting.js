'use strict';
'require baseclass';
'require spa-knockd.words as words';

/*
 * What has come since somebody began to wait for a knock: genuine knocks are events, all else moves counters alone.
 */

function newest(events) {
	return (events ?? []).reduce((number, event) => Math.max(number, event.number), -1);
}

/* Packets that the filters of all devices let through; a counter of 32 bits that wraps is not told from one of today. */
function received(status) {
	return (status?.devices ?? []).reduce((sum, device) => sum + (device.received ?? 0), 0);
}

return baseclass.extend({
	/* How it is at the beginning, by the replies to `status` and `events`. */
	begin(status, events) {
		return { status, number: newest(events.events), uptime: status.uptime };
	},

	/*
	 * What has come since: `knocks`, the events of genuine knocks; `junk`, the refusals of other packets with their
	 * counts; `arrived`, whether any packet came at all.
	 */
	since(start, status, events) {
		const isNew = status.uptime < start.uptime;
		const moved = words.moved(start.status, status);

		return {
			knocks: (events.events ?? []).filter(event => (isNew || event.number > start.number) && [ 'grant', 'refuse' ].indexOf(event.kind) != -1),
			junk: moved.filter(one => !one.genuine),
			/* A flood of refusals is summed up, and its events are throttled. */
			refused: moved.filter(one => one.genuine),
			arrived: moved.length > 0 || status.honoured != start.status.honoured || received(status) != received(start.status)
		};
	}
});
