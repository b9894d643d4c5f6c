/// The number of rounds of a fuzz test: `count` in release builds, a sixth of it in debug builds, which are about
/// as many times slower or worse.
public func fuzzRounds(_ count: Int) -> Int {
  #if DEBUG
    count / 6
  #else
    count
  #endif
}
