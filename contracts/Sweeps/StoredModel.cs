namespace Lathe.Contracts;

/// <summary>
/// A network of the checkpoint store instead of a zoo name, <c>my-net:DIGEST</c>. People see the name, and stages get only the digest, so that no
/// result depends on the name of a file.
/// </summary>
/// <param name="Name">For people.</param>
/// <param name="Sha256">Digest of the checkpoint, 64 lower-case hexadecimal characters.</param>
public readonly record struct StoredModel(string Name, string Sha256)
{
    private const int DigestLength = 64;
    private const int ShownDigits = 12;

    /// <summary>Whether a stage's parameter names a checkpoint of the store instead of a model of the zoo.</summary>
    public static bool IsDigest(string model) => model.Length == DigestLength && model.All(char.IsAsciiHexDigitLower);

    /// <summary>Parses <c>NAME:DIGEST</c>, or a digest alone; null for anything else.</summary>
    public static StoredModel? TryParse(string model)
    {
        if (IsDigest(model)) return new StoredModel(model[..ShownDigits], model);
        var colon = model.LastIndexOf(':');
        return colon > 0 && IsDigest(model[(colon + 1)..]) ? new StoredModel(model[..colon], model[(colon + 1)..]) : null;
    }

    /// <summary>Name of a sweep's model in tables.</summary>
    public static string Shown(string model) => TryParse(model)?.Name ?? model;

    /// <summary>The model that the first stage gets.</summary>
    public static string Parameter(string model) => TryParse(model)?.Sha256 ?? model;

    /// <summary>As a sweep names it: <c>NAME:DIGEST</c>.</summary>
    public override string ToString() => $"{Name}:{Sha256}";
}
