using System.Globalization;

namespace Lathe.Hosting;

/// <summary>
/// How many CPUs this process may really use: the smaller of its affinity and its control groups' quota, rounded down, at least 1.
/// One thread more than that and libtorch's threads wait for one another: OpenMP spins, and a step takes several times as long.
/// </summary>
internal static class CpuBudget
{
    /// <summary>The budget of this process, read once.</summary>
    public static int OfProcess { get; } = OperatingSystem.IsLinux() ? Read("/") : Environment.ProcessorCount;

    /// <summary>Reads it from another file system.</summary>
    /// <param name="root">Folder that holds <c>proc/self</c> and what its <c>mountinfo</c> names.</param>
    internal static int Read(string root)
    {
        var self = Path.Combine(root, "proc", "self");
        double cpus = Affinity(Path.Combine(self, "status")) ?? Environment.ProcessorCount;
        foreach (var folder in ControlGroupFolders(root, self))
        {
            if (Quota(folder) is { } quota)
                cpus = Math.Min(cpus, quota);
        }

        return Math.Max(1, (int)Math.Floor(cpus));
    }

    private static int? Affinity(string status)
    {
        const string Key = "Cpus_allowed_list:";
        var list = Lines(status).FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal));
        if (list is null)
            return null;
        var count = 0;
        foreach (var range in list[Key.Length..].Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var ends = range.Split('-');
            if (!int.TryParse(ends[0], out var first) || !int.TryParse(ends[^1], out var last))
                return null;
            count += last - first + 1;
        }

        return count;
    }

    /// <summary>This process's CPU control group and every group around it that can be seen, version 2 and version 1.</summary>
    private static IEnumerable<string> ControlGroupFolders(string root, string self)
    {
        foreach (var line in Lines(Path.Combine(self, "cgroup")))
        {
            // hierarchy:controllers:path
            var parts = line.Split(':', 3);
            if (parts.Length < 3)
                continue;
            var isVersion2 = parts[0] == "0" && parts[1].Length == 0;
            if (!isVersion2 && !parts[1].Split(',').Contains("cpu"))
                continue;
            if (FindMount(self, isVersion2) is not { } mount)
                continue;

            // A container often sees its own group as the root of the mount, although the path says otherwise.
            var path = mount.Root.Length > 1 && parts[2].StartsWith(mount.Root, StringComparison.Ordinal)
                ? parts[2][mount.Root.Length..]
                : parts[2];
            var top = Path.Combine(root, mount.Point.TrimStart('/'));
            var names = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
            for (var depth = names.Length; depth >= 0; depth--)
                yield return Path.Combine([top, .. names[..depth]]);
        }
    }

    private static (string Root, string Point)? FindMount(string self, bool isVersion2)
    {
        foreach (var line in Lines(Path.Combine(self, "mountinfo")))
        {
            // id parent device root mount-point options... - type source super-options   (proc_pid_mountinfo(5))
            var halves = line.Split(" - ", 2);
            if (halves.Length < 2)
                continue;
            var left = halves[0].Split(' ');
            var right = halves[1].Split(' ');
            var fits = isVersion2
                ? right[0] == "cgroup2"
                : right[0] == "cgroup" && right[^1].Split(',').Contains("cpu");
            if (fits && left.Length > 4)
                return (left[3], left[4]);
        }

        return null;
    }

    private static double? Quota(string folder)
    {
        // Version 2: "max 100000" or "150000 100000", microseconds of quota and period.
        if (Lines(Path.Combine(folder, "cpu.max")).FirstOrDefault() is { } both)
        {
            var parts = both.Split(' ');
            return parts.Length == 2 ? Divide(parts[0], parts[1]) : null;
        }

        return Divide(
            Lines(Path.Combine(folder, "cpu.cfs_quota_us")).FirstOrDefault(),
            Lines(Path.Combine(folder, "cpu.cfs_period_us")).FirstOrDefault());
    }

    private static double? Divide(string? quota, string? period) =>
        double.TryParse(quota, CultureInfo.InvariantCulture, out var q) && double.TryParse(period, CultureInfo.InvariantCulture, out var p) && q > 0 && p > 0
            ? q / p
            : null;

    private static string[] Lines(string file)
    {
        try
        {
            return File.Exists(file) ? File.ReadAllLines(file) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
