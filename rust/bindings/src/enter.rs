//! The one doorway for long calls: releases the GIL, reports progress, and stops at Ctrl-C.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use nsys_explain_core::Result;
use nsys_explain_core::source::Progress;
use pyo3::prelude::*;

use crate::errors::to_python;

/// How often Ctrl-C and progress are looked at.
const TICK: Duration = Duration::from_millis(40);

/// Runs `work` on a thread of its own while this one watches for signals.
///
/// At Ctrl-C it returns at once: the work stops at its next check, and holds nothing that Python waits for.
pub(crate) fn enter<T: Send + 'static>(
    py: Python<'_>,
    report: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Progress) -> Result<T> + Send + 'static,
) -> PyResult<T> {
    let progress = Arc::new(Progress::default());
    let (sender, mut receiver) = channel();
    let seen = Arc::clone(&progress);
    let worker = std::thread::Builder::new().name("nsys-explain".into()).spawn(move || {
        // The receiver is gone after Ctrl-C; nobody wants the result then.
        let _ = sender.send(work(&seen));
    })?;
    loop {
        // A receiver cannot be shared between threads, so it travels into the detached call and back.
        let (answer, back) = py.detach(move || (receiver.recv_timeout(TICK), receiver));
        receiver = back;
        match answer {
            Ok(result) => return result.map_err(|error| to_python(&error)),
            Err(RecvTimeoutError::Timeout) => {
                let interrupted = py.check_signals().and_then(|()| match report {
                    Some(callback) => callback.call1(progress.state()).map(|_| ()),
                    None => Ok(()),
                });
                if let Err(error) = interrupted {
                    progress.cancel();
                    return Err(error);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                let panic = worker.join().err();
                let text =
                    panic.as_ref().and_then(|p| p.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown");
                return Err(pyo3::panic::PanicException::new_err(format!("defect in the core: {text}")));
            }
        }
    }
}
