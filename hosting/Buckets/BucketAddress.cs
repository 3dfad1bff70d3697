using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>A place in an S3-compatible bucket: <c>s3://BUCKET</c> or <c>s3://BUCKET/PREFIX</c>.</summary>
/// <param name="Bucket">Name of the bucket.</param>
/// <param name="Prefix">Prefix of every key, without a slash at either end; empty for the whole bucket.</param>
public sealed record BucketAddress(string Bucket, string Prefix)
{
    private const string Scheme = "s3://";

    /// <summary>Whether a setting means a bucket and not a folder.</summary>
    public static bool IsOne(string text) => text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads an address.</summary>
    /// <param name="text">For which <see cref="IsOne"/> is true.</param>
    /// <param name="source">Option or variable that the text came from, for the message.</param>
    /// <exception cref="LatheException">It names no bucket.</exception>
    public static BucketAddress Parse(string text, string source = HostingSettings.StoreVariable)
    {
        var parts = IsOne(text) ? text[Scheme.Length..].Split('/', 2) : [""];
        // Names of buckets: docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html. The prefix must not contain . or .. parts.
        var prefix = parts.Length == 2 ? parts[1].Trim('/') : "";
        return parts[0].Length is >= 3 and <= 63
            && parts[0].All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.')
            && !(prefix.Length > 0 && prefix.Split('/').Any(part => part is "" or "." or ".."))
                ? new BucketAddress(parts[0], prefix)
                : throw new LatheException($"{source} is '{text}'; expected s3://BUCKET or s3://BUCKET/PREFIX, the bucket's name of 3 to 63 lower-case letters, digits, '-' and '.'");
    }

    /// <summary>The place one level further down.</summary>
    public BucketAddress Below(string name) => new(Bucket, KeyOf(name).TrimEnd('/'));

    /// <summary>Key of a name under the prefix.</summary>
    public string KeyOf(string name) => Prefix.Length == 0 ? name : $"{Prefix}/{name}";

    /// <summary>As a setting says it: <c>s3://BUCKET/PREFIX</c>.</summary>
    public override string ToString() => Prefix.Length == 0 ? Scheme + Bucket : $"{Scheme}{Bucket}/{Prefix}";
}
