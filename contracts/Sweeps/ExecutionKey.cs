using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Lathe.Contracts;

/// <summary>The name of a result: everything that a sweep can ask for and that decides its bits, digested.</summary>
public static class ExecutionKey
{
    /// <summary>SHA-256 of stage name and version, canonical parameters, input digest, data set fingerprint, seed, threads and device.</summary>
    /// <param name="manifest">Stage that runs; its name and version enter.</param>
    /// <param name="parameters">Every parameter, defaults filled in.</param>
    /// <param name="input">Input checkpoint, or null.</param>
    /// <param name="data">Data set, by content; null for a stage that reads none.</param>
    /// <param name="seed">Seed.</param>
    /// <param name="threads">CPU threads that the sweep asks for; null: any, the worker chooses.</param>
    /// <param name="device">Kind of processor that the sweep asks for; null: any, the worker chooses.</param>
    /// <returns>64 lower-case hexadecimal characters.</returns>
    public static string Compute(
        StageManifest manifest, JsonElement parameters, CheckpointRef? input, DataRef? data, long seed, int? threads, DeviceKind? device)
    {
        // One field a line; no field can hold a line break, so no two different inputs share a text.
        var text = string.Join('\n',
            "lathe-execution-key/2",
            manifest.Name,
            manifest.Version,
            CanonicalJson.Write(parameters),
            input?.Sha256 ?? "-",
            data?.Name ?? "-",
            data?.Fingerprint ?? "-",
            seed.ToString(CultureInfo.InvariantCulture),
            threads?.ToString(CultureInfo.InvariantCulture) ?? "-",
            device?.ToString().ToLowerInvariant() ?? "-");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
    }
}
