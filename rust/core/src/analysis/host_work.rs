//! What a host thread did in a stretch of time: inside a blocking synchronisation, inside another API call, inside an OS
//! call, or in code of its own, the first of these that holds.

use super::derived::Derived;
use super::sync::is_blocking;
use crate::algo::join::NONE;
use crate::model::events::Events;

/// What a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostWork {
    /// Waits in a blocking synchronisation.
    Sync,
    /// Is in another API call.
    Api,
    /// Is in an OS call.
    Os,
    /// Runs code of its own.
    Code,
}

/// The API and OS calls of each thread that launches GPU work, in order of their start.
#[derive(Debug)]
pub(super) struct ThreadCalls {
    calls: Vec<Vec<u32>>,
    os_calls: Vec<Vec<u32>>,
    is_blocking: Vec<bool>,
    /// For each kind of OS call whether it waits for the network or another process.
    waits_for_requests: Vec<bool>,
}

/// OS calls in which a server waits for work; names may carry `__` before or `64` after.
const REQUEST_WAITS: [&str; 12] = [
    "epoll_wait",
    "epoll_pwait",
    "poll",
    "ppoll",
    "select",
    "pselect",
    "recv",
    "recvfrom",
    "recvmsg",
    "accept",
    "accept4",
    "io_uring_enter",
];

impl ThreadCalls {
    /// The calls of the threads that make one of those calls.
    pub(super) fn new(events: &Events, derived: &Derived) -> Self {
        let (calls, os_calls) = (&events.calls, &events.os_calls);
        let mut launches = vec![false; events.threads.len()];
        for (_, &kind) in calls.kind.iter().enumerate().filter(|(call, _)| derived.first_ops.has_ops(*call)) {
            let thread = calls.kinds[kind as usize].thread;
            if thread != NONE {
                launches[thread as usize] = true;
            }
        }
        let place = |thread: u32| (thread != NONE && launches[thread as usize]).then_some(thread as usize);
        let of_call: Vec<Option<usize>> = calls.kinds.iter().map(|kind| place(kind.thread)).collect();
        let of_os_call: Vec<Option<usize>> = os_calls.kinds.iter().map(|kind| place(kind.thread)).collect();
        let by_thread = |kinds: &[u32], place: &[Option<usize>], start: &[i64]| {
            let mut rows: Vec<Vec<u32>> = vec![Vec::new(); events.threads.len()];
            for (row, &kind) in (0_u32..).zip(kinds) {
                if let Some(thread) = place[kind as usize] {
                    rows[thread].push(row);
                }
            }
            for rows in &mut rows {
                if !rows.is_sorted_by_key(|&row| start[row as usize]) {
                    rows.sort_by_key(|&row| (start[row as usize], row));
                }
            }
            rows
        };
        Self {
            calls: by_thread(&calls.kind, &of_call, &calls.start),
            os_calls: by_thread(&os_calls.kind, &of_os_call, &os_calls.start),
            waits_for_requests: os_calls
                .kinds
                .iter()
                .map(|kind| REQUEST_WAITS.contains(&events.names.text(kind.name).trim_start_matches('_')))
                .collect(),
            is_blocking: calls.kinds.iter().map(|kind| is_blocking(events.names.text(kind.name))).collect(),
        }
    }
}

impl ThreadCalls {
    /// Whether an OS call waits for the network or another process.
    pub(super) fn waits_for_requests(&self, events: &Events, os_call: u32) -> bool {
        os_call != NONE && self.waits_for_requests[events.os_calls.kind[os_call as usize] as usize]
    }

    /// Whether calls of the operating system were captured on a thread.
    pub(super) fn sees_system(&self, thread: u32) -> bool {
        self.os_calls.get(thread as usize).is_some_and(|calls| !calls.is_empty())
    }
}

/// Walks over the calls of one thread; stretches of time have to come in order.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Walker {
    next_call: usize,
    next_os: usize,
    /// How far the calls reach that have started, and which call it is.
    sync: (i64, u32),
    api: (i64, u32),
    os: (i64, u32),
}

impl Walker {
    pub(super) const NEW: Self =
        Self { next_call: 0, next_os: 0, sync: (i64::MIN, NONE), api: (i64::MIN, NONE), os: (i64::MIN, NONE) };

    /// Splits `[from, to)` by what the thread did; `visit` gets each part in order, with the API call or OS
    /// call it was in.
    pub(super) fn walk(
        &mut self,
        events: &Events,
        calls: &ThreadCalls,
        thread: u32,
        (from, to): (i64, i64),
        visit: &mut impl FnMut(i64, i64, HostWork, u32),
    ) {
        if thread == NONE {
            visit(from, to, HostWork::Code, NONE);
            return;
        }
        let (own, own_os) = (&calls.calls[thread as usize], &calls.os_calls[thread as usize]);
        let mut now = from;
        while now < to {
            self.start_calls(events, calls, own, now);
            self.start_os_calls(events, own_os, now);
            let next_call = own.get(self.next_call).map_or(i64::MAX, |&call| events.calls.start[call as usize]);
            let next_os = own_os.get(self.next_os).map_or(i64::MAX, |&call| events.os_calls.start[call as usize]);
            let until = to.min(next_call).min(next_os);
            let layers = [
                (self.sync.0, HostWork::Sync, self.sync.1),
                (self.api.0, HostWork::Api, self.api.1),
                (self.os.0, HostWork::Os, self.os.1),
                (until, HostWork::Code, NONE),
            ];
            for (reach, work, call) in layers {
                let end = reach.min(until);
                if end > now {
                    visit(now, end, work, call);
                    now = end;
                }
            }
        }
    }

    fn start_calls(&mut self, events: &Events, calls: &ThreadCalls, own: &[u32], now: i64) {
        while let Some(&call) = own.get(self.next_call).filter(|&&call| events.calls.start[call as usize] <= now) {
            let reach = (events.calls.end(call as usize), call);
            let is_blocking = calls.is_blocking[events.calls.kind[call as usize] as usize];
            let layer = if is_blocking { &mut self.sync } else { &mut self.api };
            if reach.0 > layer.0 {
                *layer = reach;
            }
            self.next_call += 1;
        }
    }

    fn start_os_calls(&mut self, events: &Events, own: &[u32], now: i64) {
        while let Some(&call) = own.get(self.next_os).filter(|&&call| events.os_calls.start[call as usize] <= now) {
            let reach = events.os_calls.end(call as usize);
            if reach > self.os.0 {
                self.os = (reach, call);
            }
            self.next_os += 1;
        }
    }
}
