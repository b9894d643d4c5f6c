internal import FileBytes

extension PreparedConversion {
  /// How the name of a part's journal ends.
  static let partEnding = ".journal"

  /// Where the journal of a part lives; that of the whole without one.
  func journalPath(of part: RunPart?) -> String {
    part?.path(beside: path, ending: Self.partEnding) ?? journalPath
  }

  /// The parts that have begun.
  var partsWithJournal: [RunPart] { RunPart.found(beside: path, ending: Self.partEnding) }
}

/// The journals of a part of a run.
struct PartJournals {
  let outputs: [PreparedConversion]
  /// Those of all outputs, complete ones included, as `outputs` are some of them.
  let shares: PartShares
  /// The number of each output in the shares.
  let indices: [Int]

  /// What a part's journal of an output depends on.
  func fingerprint(_ output: Int, _ part: RunPart) -> Fingerprint {
    var fingerprint = outputs[output].fingerprint
    fingerprint.add(
      "the outputs that are made together", shares.hash(of: indices[output]), .consequence)
    return fingerprint.of(part)
  }

  /// Opens the journals of a part, and makes sure that all others in the folder are of the same job.
  ///
  /// - Throws: `ResumeLogError`, ``ConversionError`` with `otherParts`, `FileError`; journals that hold nothing are
  ///   removed then.
  func open(_ part: RunPart, _ options: ExecutionOptions) throws -> [Journal] {
    var journals: [Journal] = []
    do {
      for (index, output) in outputs.enumerated() {
        journals.append(
          try Journal(
            path: output.journalPath(of: part), fingerprint: fingerprint(index, part), words: .journal,
            opening: options.force ? .startsOver : .goesOn, isShared: true, onWait: options.onWait))
      }
      // Two that begin at the same time see each other: each has its own journal by now.
      for index in outputs.indices { try refuseOthers(index, part) }
    } catch {
      for journal in journals where journal.isEmpty { journal.remove() }
      throw error
    }
    return journals
  }

  /// Refuses journals of a run without parts, of other numbers of parts, and of parts of another job.
  private func refuseOthers(_ index: Int, _ part: RunPart) throws {
    let output = outputs[index]
    try output.refuseJournal(wanted: "parts of \(part.count)")
    for other in output.partsWithJournal where other != part {
      let path = output.journalPath(of: other)
      guard other.count == part.count else {
        throw output.otherParts(expected: "parts of \(part.count)", found: "part \(other)")
      }
      guard let found = try Journal.fingerprint(path: path, words: .journal) else { continue }
      let differences = found.differences(from: fingerprint(index, other))
      guard !differences.isEmpty else { continue }
      throw ConversionError(
        .otherParts,
        Fault(
          file: path, expected: "the journal of part \(other) of this very run",
          found: "that of another run: \(differences.joined(separator: "; ")) changed",
          remedy:
            "give all parts the same settings and the same version of Pouch, or remove the journals of all parts to start over"
        ))
    }
  }
}

extension PreparedConversion {
  /// The error for journals of another way to divide the work.
  func otherParts(expected: Wording, found: Wording) -> ConversionError {
    ConversionError(
      .otherParts,
      Fault(
        file: path, expected: expected, found: "journals of \(found)",
        remedy:
          "go on with the earlier commands, or remove \(FileSystem.name(of: path)).*journal to start over"
      ))
  }

  /// Refuses parts of an output that is begun by a run without parts.
  func refuseJournal(wanted: Wording) throws {
    guard FileSystem.kind(of: journalPath) != .missing else { return }
    throw otherParts(expected: wanted, found: "a run without \(.part)")
  }

  /// Refuses a run without parts for an output whose parts have begun.
  func refuseParts() throws {
    guard let part = partsWithJournal.first else { return }
    throw otherParts(expected: "a run without \(.part)", found: "part \(part)")
  }

  /// Removes the journals of parts, whose work is replaced.
  ///
  /// - Throws: `ResumeLogError` when one of the parts is still going on.
  func forgetParts() throws {
    for part in partsWithJournal {
      try Journal(
        path: journalPath(of: part), fingerprint: fingerprint, words: .journal, opening: .startsOver,
        isShared: true
      ).remove()
    }
  }
}
