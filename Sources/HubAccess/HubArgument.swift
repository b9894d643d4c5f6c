internal import FileBytes
internal import Foundation

/// Finds the model that a user named: on this machine, in the cache of the hub's programs, or on the hub.
package struct HubArgument: Sendable {
  /// What a command does with the model.
  package struct Wishes: Sendable {
    /// Whether all weights of a model in the cache have to be there, or to be reached.
    package var needsWeights = true
    /// Whether the whole model is fetched into the cache first.
    package var keeps = false
    /// Whether the files of weights are read once more, for their hashes.
    package var verifies = false
    /// Asked a few times a second.
    package var isCancelled: @Sendable () -> Bool = { false }
    /// Called with one line about what is read from where.
    package var onNotice: @Sendable (String) -> Void = { _ in }
    /// Called while bytes come that are not part of the work itself: what is done, bytes done, bytes in all.
    package var onProgress: @Sendable (_ phase: String, _ done: Int, _ total: Int) -> Void = { _, _, _ in }

    /// How requests are repeated, where that is not the usual way.
    package var retries: RetryPolicy?

    /// Creates wishes that only read.
    package init() {}
  }

  /// A path that stands for the model.
  package let path: String
  /// What reports call it: the name with its commit for a model on the hub, else the path.
  package var title: String { model?.title ?? path }
  /// The model, where it lies on a hub: keep it for as long as the path is used, and close it then.
  package let model: HubModel?

  /// Finds a model: what is there under this name, else a whole snapshot in the cache, else the hub.
  ///
  /// - Parameters:
  ///   - text: A path, `org/name[@revision]` or `hf://org/name[@revision]`.
  ///   - wishes: What is done with it.
  ///   - environment: Variables; those of this process when `nil`.
  /// - Throws: ``HubError``, `FileError`; a text that is neither path nor name comes back as it is.
  package init(_ text: String, _ wishes: Wishes = Wishes(), environment: [String: String]? = nil) throws {
    guard FileSystem.kind(of: text) == .missing, let name = HubName(text) else {
      (path, model) = (text, nil)
      return
    }
    var settings = try HubSettings(environment: environment)
    if let retries = wishes.retries { settings.retries = retries }
    let cache = HubCache(environment: environment)
    if let folder = try Self.cached(name, cache, wishes, isOffline: settings.offlineVariable != nil) {
      (path, model) = (folder, nil)
      return
    }
    if let variable = settings.offlineVariable {
      throw HubError(
        .offline,
        Fault(
          file: "\(name)", expected: "a file or folder of this name, or a model in the Hugging Face cache",
          found: "none, and \(variable) forbids the network",
          remedy: "unset \(variable), or fetch it elsewhere with: \(name.fetchCommand)"))
    }
    if wishes.keeps {
      guard let cache else {
        throw HubError(
          .badSetting,
          Fault(
            subject: "\(.keepsSource)", expected: "a place for the cache", found: "neither HF_HOME nor HOME"))
      }
      let client = HubClient(settings, isCancelled: wishes.isCancelled)
      defer { client.close() }
      let tree = try HubTree(name, client)
      let store = HubStore(cache: cache, name: name, tree: tree, client: client) {
        wishes.onProgress("fetching", $0, $1)
      }
      path = try store.fill(HubModel.wanted(tree))
      model = nil
      wishes.onNotice("\(name) is commit \(tree.commit), now in \(path)")
      return
    }
    let model = try HubModel(name, cache: cache, settings: settings, isCancelled: wishes.isCancelled)
    wishes.onNotice(
      "\(name) is commit \(model.commit), read from \(settings.endpoint.host ?? "the hub")"
        + (model.cachedFileCount > 0 ? " and, as far as it is there, from the cache" : ""))
    if wishes.verifies {
      try model.verifyWeights { wishes.onProgress("hashing", $0, $1) }
    }
    path = model.folder
    self.model = model
  }

  /// A snapshot in the cache that suffices; `nil` when the network has to be asked.
  private static func cached(_ name: HubName, _ cache: HubCache?, _ wishes: Wishes, isOffline: Bool) throws
    -> String?
  {
    guard let cache else { return nil }
    do {
      guard let snapshot = try cache.snapshot(of: name) else { return nil }
      if wishes.needsWeights { try HubCache.requireWeights(snapshot, of: name) }
      let names = FileSystem.contents(of: snapshot.folder)
      let hasWeights = !wishes.needsWeights || names.contains { $0.hasSuffix(".safetensors") }
      guard isOffline || hasWeights && names.contains("config.json") else { return nil }
      wishes.onNotice("\(name) is commit \(snapshot.commit), in \(snapshot.folder)")
      return snapshot.folder
    } catch let error as FileError where !isOffline && [.notFound, .notAModel].contains(error.code) {
      return nil
    }
  }

  /// Closes the model on the hub, if it is there.
  package func close() { model?.close() }
}
