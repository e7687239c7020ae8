//! A stranger's packet costs no heap allocation, with and without an HMAC key.
#![expect(unsafe_code, reason = "an allocator that counts can only be an unsafe impl; it hands everything on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use spa_knockd::knock::fwknop::http::Http;
use spa_knockd::knock::fwknop::keys::{DigestType, KeySet, Mode, Secret};
use spa_knockd::knock::fwknop::{SpaText, Verifier, encode::seal};
use spa_knockd::limits::PACKET_MAX;
use spa_knockd::reason::Reason;

thread_local! {
    static ALLOCATIONS: Cell<u32> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about the layout is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Judges the payload and returns the reason with the number of allocations that it took.
fn judge(payload: &[u8], verifier: &Verifier) -> (Option<Reason>, u32) {
    let before = ALLOCATIONS.get();
    let verdict = SpaText::parse(payload).and_then(|text| verifier.authenticate(text)?.open());
    let spent = ALLOCATIONS.get() - before;
    (verdict.err(), spent)
}

fn keys(mode: Mode, hmac: Option<DigestType>) -> KeySet {
    KeySet {
        mode,
        key: Secret::new(b"OpenSesame-2024".to_vec()),
        hmac: hmac.map(|kind| (kind, Secret::new(b"Hm@cSecret-77-x".to_vec()))),
    }
}

#[test]
fn refusing_a_stranger_allocates_nothing() {
    let junk = vec![b'+'; 214];
    let long = vec![b'8'; 1500];
    for mode in Mode::ALL {
        let verifier = Verifier::new(&keys(mode, None));
        for payload in [&junk, &long, &junk[..150].to_vec(), &vec![b'='; 200]] {
            let (reason, spent) = judge(payload, &verifier);
            assert!(reason.is_some());
            assert_eq!(spent, 0, "{mode:?} {reason:?}");
        }
        for kind in DigestType::ALL {
            let verifier = Verifier::new(&keys(mode, Some(kind)));
            assert_eq!(judge(&junk, &verifier), (Some(Reason::Hmac), 0), "{kind:?}");
        }
    }
}

#[test]
fn undressing_a_request_allocates_nothing() {
    let http = Http { any_user_agent: false, trust_forwarded_for: true };
    let data = "A-_a".repeat(50);
    for (headers, good) in [
        ("User-Agent: Fwknop\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n", true),
        ("User-Agent: Fwknop\r\nX-Forwarded-For: 192.0.2.1.2\r\n", true),
        ("User-Agent: curl\r\n\r\n", false),
    ] {
        let request = format!("GET /{data} HTTP/1.1\r\n{headers}");
        let mut room = [0; PACKET_MAX];
        let before = ALLOCATIONS.get();
        let undressed = http.undress(request.as_bytes(), &mut room).is_ok();
        assert_eq!((undressed, ALLOCATIONS.get() - before), (good, 0), "{headers}");
    }
}

#[test]
fn even_the_right_key_allocates_nothing_before_the_digest_was_right() {
    let keys = keys(Mode::Cbc, None);
    let verifier = Verifier::new(&keys);
    let fields = "1234567890123456:YWxpY2U:1795304783:3.0.0:1:MjAzLjAuMTEzLjIxLHRjcC8yMg:";
    for (plaintext, reason) in [
        (fields.to_owned() + &"A".repeat(43), Reason::Digest),
        (fields.to_owned() + "\u{e4}" + &"A".repeat(43), Reason::Fields),
        (fields.replace("123456:", "12345x:") + &"A".repeat(43), Reason::Decrypt),
        ("1234567890123456:".to_owned() + &"A".repeat(100), Reason::Fields),
    ] {
        let packet = seal(plaintext.as_bytes(), &keys, [1; 8]);
        assert_eq!(judge(packet.as_bytes(), &verifier), (Some(reason), 0), "{plaintext:?}");
    }
}
