using Amazon;
using Amazon.Runtime;
using Amazon.S3;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>
/// Server and credentials of buckets, from the environment variables that every S3 tool reads. Its text never contains a secret.
/// </summary>
public sealed class BucketAccess
{
    /// <summary>Server of all AWS services.</summary>
    public const string EndpointVariable = "AWS_ENDPOINT_URL";

    /// <summary>Server of buckets; it wins over the one of all services.</summary>
    public const string S3EndpointVariable = "AWS_ENDPOINT_URL_S3";

    /// <summary>Region of the server.</summary>
    public const string RegionVariable = "AWS_REGION";

    /// <summary>Name of the key.</summary>
    public const string KeyVariable = "AWS_ACCESS_KEY_ID";

    /// <summary>The key itself.</summary>
    public const string SecretVariable = "AWS_SECRET_ACCESS_KEY";

    /// <summary>Token of a key that lasts for a session.</summary>
    public const string SessionVariable = "AWS_SESSION_TOKEN";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Func<string, string?> _environment;
    private readonly Lazy<AmazonS3Client> _client;

    private BucketAccess(Func<string, string?> environment, TimeSpan? stall = null)
    {
        _environment = environment;
        Stall = stall ?? TimeSpan.FromMinutes(1);
        _client = new Lazy<AmazonS3Client>(Connect);
    }

    /// <summary>That of this process; one client for all of its buckets.</summary>
    public static BucketAccess OfProcess { get; } = new(Environment.GetEnvironmentVariable);

    /// <summary>The server's address; without one it is Amazon's.</summary>
    public string Server => Endpoint ?? "Amazon S3";

    /// <summary>Whether the server is Amazon's own, which knows more than the others.</summary>
    internal bool IsAmazon => Endpoint is null;

    /// <summary>Whether TLS guards the content, so that it need not be signed as well.</summary>
    internal bool IsEncrypted => Endpoint?.StartsWith("https:", StringComparison.OrdinalIgnoreCase) == true;

    /// <summary>How long an answer may send nothing before it counts as broken.</summary>
    internal TimeSpan Stall { get; }

    internal AmazonS3Client Client => _client.Value;

    /// <summary>Reads variables. Nothing is looked at before a bucket is used.</summary>
    /// <param name="environment">Looks up an environment variable.</param>
    /// <param name="stall">How long an answer may send nothing before it counts as broken; by default a minute.</param>
    public static BucketAccess From(Func<string, string?> environment, TimeSpan? stall = null) => new(environment, stall);

    /// <summary>The server, without credentials.</summary>
    public override string ToString() => Server;

    private string? Endpoint => Setting(S3EndpointVariable) ?? Setting(EndpointVariable);

    private string? Setting(string variable) => _environment(variable)?.Trim() is { Length: > 0 } value ? value : null;

    private AmazonS3Client Connect()
    {
        var config = new AmazonS3Config { ConnectTimeout = Patience };
        var region = Setting(RegionVariable) ?? Setting("AWS_DEFAULT_REGION");
        if (Endpoint is { } endpoint)
        {
            var variable = Setting(S3EndpointVariable) is null ? EndpointVariable : S3EndpointVariable;
            if (!Uri.TryCreate(endpoint, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
                throw new LatheException($"{variable} is '{endpoint}'; expected http://host:port or https://host");
            config.ServiceURL = endpoint;
            config.AuthenticationRegion = region ?? "us-east-1";
            config.ForcePathStyle = true;
            // Other servers would store Amazon's newer checksums as part of the content.
            if (Setting("AWS_REQUEST_CHECKSUM_CALCULATION") is null) config.RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED;
            if (Setting("AWS_RESPONSE_CHECKSUM_VALIDATION") is null) config.ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED;
        }
        else
        {
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region ?? "us-east-1");
        }

        // The SDK handles all other credentials (profiles, roles of a pod or a machine).
        return (Setting(KeyVariable), Setting(SecretVariable), Setting(SessionVariable)) switch
        {
            ({ } key, { } secret, null) => new AmazonS3Client(new BasicAWSCredentials(key, secret), config),
            ({ } key, { } secret, { } session) => new AmazonS3Client(new SessionAWSCredentials(key, secret, session), config),
            _ => new AmazonS3Client(config),
        };
    }
}
