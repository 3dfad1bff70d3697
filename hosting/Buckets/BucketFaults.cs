using System.Net;
using Amazon.Runtime;
using Amazon.S3;
using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Faults of a bucket, in words for the person who set it up.</summary>
internal static class BucketFaults
{
    private const string Keys = $"{BucketAccess.KeyVariable} and {BucketAccess.SecretVariable}";
    private const string Endpoint = $"{BucketAccess.S3EndpointVariable} or {BucketAccess.EndpointVariable}";

    /// <summary>Whether a fault is the bucket's, the server's or the way there's.</summary>
    public static bool Is(Exception e) => e is AmazonServiceException or AmazonClientException or HttpRequestException or IOException or TimeoutException or OperationCanceledException;

    /// <summary>Nothing has that key.</summary>
    public static bool IsMissing(AmazonS3Exception e) => e is { ErrorCode: "NoSuchKey" } or { ErrorCode: "NotFound", StatusCode: HttpStatusCode.NotFound };

    /// <summary>One line: what, where, what to do.</summary>
    /// <param name="e">For which <see cref="Is"/> is true.</param>
    /// <param name="address">The bucket.</param>
    /// <param name="server">Its server.</param>
    /// <param name="what">Name of the requested object, or empty.</param>
    public static LatheException Tell(Exception e, BucketAddress address, string server, string what)
    {
        var place = what.Length == 0 ? $"{address}" : $"{address}/{what}";
        var refused = Innermost<AmazonS3Exception>(e);
        return refused switch
        {
            { ErrorCode: "NoSuchBucket" } => Permanent(
                $"there is no bucket '{address.Bucket}' at {server}: make it, or name another in {HostingSettings.StoreVariable} (--store) or {HostingSettings.DataVariable} (--data)"),
            { ErrorCode: "InvalidAccessKeyId" or "SignatureDoesNotMatch" or "InvalidToken" or "ExpiredToken" } => Permanent(
                $"{server} does not accept the credentials for {place} ({Reason(refused)}): check {Keys}"),
            { ErrorCode: "PermanentRedirect" or "AuthorizationHeaderMalformed" or "IllegalLocationConstraintException" } => Permanent(
                $"bucket '{address.Bucket}' is of another region ({Reason(refused)}): set {BucketAccess.RegionVariable} to it"),
            { StatusCode: HttpStatusCode.PreconditionFailed } => Replaced(place),
            { StatusCode: HttpStatusCode.Forbidden } => Permanent(
                $"{place} may not be used with these credentials ({Reason(refused)}, {server}): they need s3:ListBucket, s3:GetObject and, for a store, s3:PutObject and s3:DeleteObject"),
            { StatusCode: >= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError } => Permanent(
                $"{server} refuses {place} ({Reason(refused)}): check the address, {Endpoint} and {BucketAccess.RegionVariable}"),
            not null => Transient($"{server} failed on {place} ({Reason(refused)})"),
            null when Innermost<IOException>(e) is { } broken and not FileNotFoundException && Innermost<HttpRequestException>(e) is null => Transient($"{place} could not be transferred: {Line(broken.Message)}"),
            null when Innermost<HttpRequestException>(e) is { } unreachable => Transient(
                $"{server} does not answer for {place} ({Line(unreachable.Message)}): check {Endpoint}, and that the server runs"),
            null when e is OperationCanceledException or TimeoutException => Transient($"{server} did not answer in time for {place}: check {Endpoint}, and that the server runs"),
            null when HasNoCredentials(e) => Permanent($"there are no credentials for {place}: set {Keys}, or name a profile with AWS_PROFILE"),
            _ => Transient($"{place} could not be used: {Line(e.Message)}"),
        };

        LatheException Permanent(string message) => new(message, FailureKind.Permanent, e);

        LatheException Transient(string message) => new(message, FailureKind.Transient, e);
    }

    /// <summary>The object was replaced after it was found.</summary>
    public static LatheException Replaced(string place) => new($"{place} was replaced while it was read", FailureKind.Transient);

    private static bool HasNoCredentials(Exception e) =>
        e is AmazonClientException && e.Message.Contains("credentials", StringComparison.OrdinalIgnoreCase);

    private static T? Innermost<T>(Exception? e)
        where T : Exception
    {
        T? found = null;
        for (; e is not null; e = e.InnerException) found = e as T ?? found;
        return found;
    }

    private static string Reason(AmazonS3Exception e) => e.ErrorCode is { Length: > 0 } code ? code : $"HTTP {(int)e.StatusCode}";

    private static string Line(string message) => message.Split('\n')[0].TrimEnd('.', ' ', '\r');
}
