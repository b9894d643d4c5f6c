extension TypedKey where Value == Double {
  static var attentionScale: Self {
    .optional("attention.scale", as: "1 over the root of attention.key_length", in: .notNegative)
  }
  static var embeddingScale: Self { .optional("embedding_scale", else: 1, in: .notNegative) }
  static var residualScale: Self { .optional("residual_scale", else: 1, in: .notNegative) }
  /// What logits are divided by.
  static var logitScale: Self { .required("logit_scale", in: .numbers(from: 0, to: .infinity, isOpen: true)) }
  static var logitCap: Self { .optional("final_logit_softcapping", as: "none", in: .notNegative) }
}

extension ModelFamily.OwnKey {
  /// A factor that is not written when it is 0, which stands for none.
  static func factor(
    _ key: TypedKey<Double>, _ path: any WritableKeyPath<HyperParameters, Double> & Sendable
  ) -> Self {
    Self(
      table: [key.key], write: { if $0.model[keyPath: path] != 0 { $1.add(key, $0.model[keyPath: path]) } },
      read: {
        let stored = decimal(try $0.value(key))
        $1[keyPath: path] = stored == 0 ? 1 : stored
      })
  }
}
