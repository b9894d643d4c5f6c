public import PouchKit

/// Compares a file with the checkpoint that it was made of.
public func validate(_ path: String, against folder: String) throws -> ValidationReport {
  // snippet: validate
  let file = try GGUFModel(at: path)
  let report = try Validation(of: file, against: Checkpoint(at: folder)).run()
  for finding in report.findings {
    print("\(finding.location): expected \(finding.expected), found \(finding.found)")
  }
  print(report.isSound, report.against?.verdict.rawValue ?? "not compared")
  // end
  return report
}

/// Counts the parameters of a model.
public func inspect(_ path: String) throws -> ModelInspection {
  // snippet: inspect
  let inspection = try GGUFModel(at: path).inspect()
  print(inspection.parameters, inspection.activeParameters ?? inspection.parameters)
  // end
  return inspection
}
