internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// Ctrl-C and SIGTERM as a question that workers ask between tiles.
package enum Interrupt {
  private static let requested = Atomic<Bool>(false)

  /// Whether the user asked to stop.
  package static var isRequested: Bool { requested.load(ordering: .relaxed) }

  /// Starts watching; a second signal ends the process at once.
  ///
  /// Both signals are unblocked first: a process started from a thread that blocks them inherits that, and would run on
  /// deaf.
  package static func watch() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    sigaddset(&signals, SIGTERM)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    for number in [SIGINT, SIGTERM] {
      signal(number) { received in
        // Only async-signal-safe work here: an atomic store, and the default action for the next signal.
        Interrupt.requested.store(true, ordering: .relaxed)
        signal(received, SIG_DFL)
      }
    }
  }
}
