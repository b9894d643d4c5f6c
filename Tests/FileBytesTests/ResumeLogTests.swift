import FileBytes
import Foundation
import Synchronization
import TestSupport
import Testing

/// A record of any bytes that begin with a number of its own.
private struct Line: ResumeRecord, Hashable {
  var number: UInt32
  var text: String

  init(_ number: Int) {
    self.number = UInt32(number)
    text = String(repeating: "é\(number) ", count: number % 5)
  }

  init?(decoding cursor: inout ByteCursor) {
    guard let number: UInt32 = cursor.read(), let text = cursor.readText() else { return nil }
    (self.number, self.text) = (number, text)
  }

  func encode(into bytes: inout [UInt8]) {
    bytes.appendLittleEndian(number)
    bytes.appendText(text)
  }
}

/// A record that reads nothing that was written.
private struct Unreadable: ResumeRecord {
  init?(decoding cursor: inout ByteCursor) { return nil }
  func encode(into bytes: inout [UInt8]) {}
}

@Suite("Logs of finished work")
struct ResumeLogTests {
  private typealias Log = ResumeLog<Line>

  private static let words = ResumeLogWords(name: "diary", startOver: "say --again to start over")

  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = folder.path("log")
  }

  private static func job(_ change: (inout Fingerprint) -> Void = { _ in }) -> Fingerprint {
    var job = Fingerprint(task: "walking", version: "1.2")
    change(&job)
    return job
  }

  private static func road(_ length: Int = 5, _ shoes: String = "boots") -> Fingerprint {
    job {
      $0.add("the road", "\(length) km")
      $0.add("the shoes", shoes, .named)
    }
  }

  private func openOnce(
    _ fingerprint: Fingerprint = Self.road(), _ opening: Log.Opening = .goesOn
  ) throws -> Log {
    try Log(path: path, fingerprint: fingerprint, words: Self.words, opening: opening)
  }

  /// Opens the log; a process that another test starts holds the lock until it runs its program.
  private func open(
    _ fingerprint: Fingerprint = Self.road(), _ opening: Log.Opening = .goesOn
  ) throws -> Log {
    for _ in 0..<1000 {
      do {
        return try openOnce(fingerprint, opening)
      } catch let error as ResumeLogError where error.code == .inUse {
        usleep(1000)
      }
    }
    return try openOnce(fingerprint, opening)
  }

  private func contents() throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

  private func write(_ bytes: [UInt8]) throws { _ = try folder.write("log", bytes) }

  private func code(_ body: () throws -> Void) -> ResumeLogError.Code? {
    do {
      try body()
      return nil
    } catch {
      return (error as? ResumeLogError)?.code
    }
  }

  /// A log of `count` records, and its size after the head and after each record.
  private func filled(_ count: Int) throws -> (bytes: [UInt8], sizes: [Int]) {
    let log = try open()
    var sizes = [try contents().count]
    for number in 0..<count {
      try log.append(Line(number))
      sizes.append(try contents().count)
    }
    return (try contents(), sizes)
  }

  @Test("records come back in order, by any number of runs")
  func goesOn() throws {
    for run in 0..<4 {
      let log = try open()
      #expect(log.existing == (0..<(3 * run)).map(Line.init))
      #expect(log.isEmpty == (run == 0))
      for number in (3 * run)..<(3 * run + 3) { try log.append(Line(number)) }
      #expect(!log.isEmpty)
    }
    let log = try open(Self.road(), .startsOver)
    #expect(log.existing.isEmpty && log.isEmpty)
    log.remove()
    #expect(!FileSystem.isFile(path))
  }

  @Test("cut off at any byte, it gives the records before the cut, and goes on from there")
  func cuts() throws {
    let (bytes, sizes) = try filled(6)
    #expect(sizes.last == bytes.count)
    for length in 0...bytes.count {
      try write(Array(bytes.prefix(length)))
      let whole = sizes.filter { $0 <= length }.count - 1
      do {
        let log = try open()
        #expect(log.existing == (0..<max(0, whole)).map(Line.init), "\(length) bytes")
        // What was torn is gone.
        #expect(try contents().count == sizes[max(0, whole)])
        for number in max(0, whole)..<6 { try log.append(Line(number)) }
      }
      #expect(try contents() == bytes, "\(length) bytes")
    }
  }

  @Test("no damaged byte goes unnoticed: the head is refused, a record ends the log")
  func damage() throws {
    let (bytes, sizes) = try filled(5)
    for index in bytes.indices {
      for mask: UInt8 in [0x01, 0x80] {
        var damaged = bytes
        damaged[index] ^= mask
        try write(damaged)
        guard index >= sizes[0] else {
          let expected: ResumeLogError.Code = index < 8 ? .notALog : .damaged
          #expect(code { _ = try open() } == expected, "byte \(index)")
          #expect(try contents() == damaged)
          continue
        }
        let intact = sizes.filter { $0 <= index }.count - 1
        #expect(try open().existing == (0..<intact).map(Line.init), "byte \(index)")
      }
    }
  }

  @Test("records behind a damaged one are dropped, and never come back")
  func stale() throws {
    let (bytes, sizes) = try filled(5)
    var damaged = bytes
    damaged[sizes[1] + 5] ^= 1
    try write(damaged)
    // The record that is made again takes the place of the damaged one, to the byte.
    try open().append(Line(1))
    #expect(try contents() == Array(bytes.prefix(sizes[2])))
    #expect(try open().existing == [0, 1].map(Line.init))
    // Nor do those that another log left behind, were they on disk.
    try write(Array(bytes.prefix(sizes[1])) + bytes[sizes[2]...])
    #expect(try open().existing == [Line(0)])
  }

  @Test("a log of another job is refused with what changed, and stays")
  func otherJob() throws {
    let (bytes, _) = try filled(2)
    let cases: [(Fingerprint, String)] = [
      (Self.road(7), "the road (5 km, now 7 km) changed"),
      (Self.road(5, "none"), "the shoes changed"),
      (Self.road(6, "none"), "the road (5 km, now 6 km); the shoes changed"),
      (Self.job { $0.add("the road", "5 km") }, "the shoes (none now) changed"),
      (
        Self.job {
          $0.add("the road", "5 km")
          $0.add("the dog", "big")
          $0.add("the shoes", "boots", .named)
        }, "the dog (none before) changed"
      ),
      (Fingerprint(task: "swimming", version: "7"), "the task (walking, now swimming) changed"),
      (
        {
          var other = Fingerprint(task: "walking", version: "1.3")
          other.add("the road", "5 km")
          other.add("the shoes", "boots", .named)
          return other
        }(), "the version of Pouch (1.2, now 1.3) changed"
      ),
    ]
    for (job, words) in cases {
      let error = #expect(throws: ResumeLogError.self) { try open(job) }
      #expect(error?.code == .otherJob && error?.faultClass == .rejected)
      #expect(error?.fault.file == path && error?.fault.found == "that of another run: \(words)")
      #expect(error?.fault.remedy.contains("say --again") == true)
      #expect(try contents() == bytes)
    }
    #expect(try open(Self.road(7), .replacesOthers).existing.isEmpty)
    #expect(code { _ = try open() } == .otherJob)
    #expect(try open(Self.road(7), .replacesOthers).existing.isEmpty)
  }

  @Test("a job with an equal log goes on even where others are replaced")
  func replacesOthers() throws {
    _ = try filled(3)
    #expect(try open(Self.road(), .replacesOthers).existing.count == 3)
    for other in ["my thesis", "PouchLog and more, but no log"] {
      try write(Array(other.utf8))
      #expect(try open(Self.road(), .replacesOthers).existing.isEmpty)
      #expect(try open().existing.isEmpty)
    }
  }

  @Test("a consequence is named only when nothing else differs")
  func consequence() {
    func job(_ cause: String, _ consequence: String) -> Fingerprint {
      Self.job {
        $0.add("the text", cause)
        $0.add("the tokens", consequence, .consequence)
      }
    }
    #expect(job("a", "x").differences(from: job("b", "y")) == ["the text (a, now b)"])
    #expect(job("a", "x").differences(from: job("a", "y")) == ["the tokens"])
    #expect(job("a", "x").differences(from: job("a", "x")).isEmpty)
  }

  @Test("what is no log is refused and not touched")
  func foreign() throws {
    let texts = [
      "my thesis", "\n", "{\"base\":\"\"}\n", "pouch-svg-eval 1; prompts 2\n", "PouchLo\0",
      "\0\0\u{1}",
    ]
    for text in texts {
      try write(Array(text.utf8))
      #expect(code { _ = try open() } == .notALog, "\(text)")
      #expect(try contents() == Array(text.utf8))
    }
    // The format of a later version.
    _ = try open(Self.road(), .replacesOthers)
    var later = try contents()
    later[8] = 2
    later.replaceSubrange(
      16..<24, with: withUnsafeBytes(of: XXHash64.hash(later, 16).littleEndian) { Array($0) })
    try write(later)
    let error = #expect(throws: ResumeLogError.self) { try open() }
    #expect(error?.code == .notALog && error?.fault.found.contains("format 2") == true)
    // Neither are pipes and folders.
    #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
    #expect(
      code { _ = try Log(path: folder.path("pipe"), fingerprint: Self.road(), words: Self.words) } == .notALog
    )
    #expect(throws: FileError.self) {
      try Log(path: folder.url.path, fingerprint: Self.road(), words: Self.words)
    }
  }

  @Test("zeros, which a power failure may leave, are nothing", arguments: [1, 8, 24, 4096])
  func zeros(count: Int) throws {
    try write([UInt8](repeating: 0, count: count))
    #expect(try open().existing.isEmpty)
    // Behind records they end the log.
    _ = try open(Self.road(), .startsOver).append(Line(3))
    try write(try contents() + [UInt8](repeating: 0, count: count))
    #expect(try open().existing == [Line(3)])
  }

  @Test("one run at a time; the others learn it at once")
  func inUse() throws {
    let log = try open()
    try log.append(Line(1))
    for opening in [Log.Opening.goesOn, .replacesOthers, .startsOver] {
      let error = #expect(throws: ResumeLogError.self) { try openOnce(Self.road(9), opening) }
      #expect(error?.code == .inUse && error?.faultClass == .failed)
      #expect(error?.fault.found.contains("still going on") == true)
    }
    try log.append(Line(2))
    // A removed log is another run's to make, while this one still holds its own.
    log.remove()
    let second = try open()
    #expect(second.existing.isEmpty)
    try second.append(Line(5))
    try log.append(Line(3))
    #expect(second.path == log.path)
    withExtendedLifetime(log) { withExtendedLifetime(second) {} }
    #expect(code { _ = try openOnce() } == .inUse)
  }

  @Test("appended by several threads, every record is there once")
  func threads() throws {
    do {
      let log = try open()
      try parallelForEach(count: 400, threadCount: 4) { try log.append(Line($0)) }
    }
    #expect(Set(try open().existing) == Set((0..<400).map(Line.init)))
    #expect(try open().existing.count == 400)
  }

  @Test("a record that is whole and makes no sense is damage, not an end")
  func senseless() throws {
    _ = try filled(1)
    var found: ResumeLogError.Code?
    repeat {
      found = code { _ = try ResumeLog<Unreadable>(path: path, fingerprint: Self.road(), words: Self.words) }
    } while found == .inUse
    #expect(found == .damaged)
  }

  @Test("hashes of fields keep values apart")
  func fieldHash() {
    func text(_ body: (inout FieldHash) -> Void) -> String {
      var hash = FieldHash()
      body(&hash)
      return hash.text
    }
    let texts = [
      text { _ in }, text { $0.add("") }, text { $0.add("ab") },
      text {
        $0.add("a")
        $0.add("b")
      }, text { $0.add([1, 2]) },
      text {
        $0.add([1])
        $0.add([2])
      }, text { $0.add([1, 2] as [UInt8]) },
    ]
    #expect(Set(texts).count == texts.count && texts.allSatisfy { $0.utf8.count == 16 })
    #expect(text { $0.add("ab") } == text { $0.add(Array("ab".utf8)) })
    #expect(XXHash64.text(0xAB) == "00000000000000ab")
  }
}

extension XXHash64 {
  /// The hash of the first bytes.
  fileprivate static func hash(_ bytes: [UInt8], _ count: Int) -> UInt64 {
    bytes[..<count].withUnsafeBytes { hash($0) }
  }
}
