using Lathe.Contracts;

namespace Lathe.Hosting;

/// <summary>Where RabbitMQ answers and as whom. Its text never holds the password.</summary>
public sealed class BrokerAddress
{
    private BrokerAddress(Uri uri, string user, string password, string virtualHost)
    {
        Uri = uri;
        User = user;
        Password = password;
        VirtualHost = virtualHost;
    }

    /// <summary>The whole address, password included: for the client library only.</summary>
    internal Uri Uri { get; }

    internal string Password { get; }

    /// <summary>Name that is logged in with.</summary>
    public string User { get; }

    /// <summary>Virtual host, <c>/</c> by default.</summary>
    public string VirtualHost { get; }

    /// <summary>Name or address of the machine.</summary>
    public string Host => Uri.Host;

    /// <summary>TCP port; 5672, or 5671 for amqps, where the address names none.</summary>
    public int Port => Uri.Port > 0 ? Uri.Port : Tls ? 5671 : 5672;

    /// <summary>True: the connection is encrypted.</summary>
    public bool Tls => Uri.Scheme == "amqps";

    /// <summary>Reads <c>amqp://user:password@host:port/vhost</c> or amqps.</summary>
    /// <param name="text">The address; user and password default to guest, the virtual host to /.</param>
    /// <param name="source">Option or variable that the text came from, for the message.</param>
    /// <exception cref="LatheException">Not such an address. The message does not repeat the text, which may hold a password.</exception>
    public static BrokerAddress Parse(string text, string source = "--broker")
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("amqp" or "amqps") || uri.Host.Length == 0)
            throw new LatheException($"{source} is not a broker's address; expected amqp://user:password@host:port/vhost, or amqps for TLS");
        var user = uri.UserInfo.Split(':', 2);
        var path = Uri.UnescapeDataString(uri.AbsolutePath.TrimStart('/'));
        return new BrokerAddress(
            uri,
            user[0].Length == 0 ? "guest" : Uri.UnescapeDataString(user[0]),
            user.Length < 2 ? "guest" : Uri.UnescapeDataString(user[1]),
            path.Length == 0 ? "/" : path);
    }

    /// <summary>The address without the password.</summary>
    public override string ToString() =>
        $"{Uri.Scheme}://{Uri.EscapeDataString(User)}@{Host}:{Port}/{(VirtualHost == "/" ? "" : Uri.EscapeDataString(VirtualHost))}";
}
