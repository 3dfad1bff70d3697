using System.Globalization;
using System.Text.RegularExpressions;
using Lathe.Coordinator;
using Lathe.Hosting;
using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>deploy/images and deploy/compose against the manifests and the code.</summary>
public sealed class Images_and_compose
{
    private static readonly string Deploy = Path.Combine(Checkout.Root, "deploy");

    public static TheoryData<string> Dockerfiles => [.. Directory.EnumerateFiles(Path.Combine(Deploy, "images"), "*.Dockerfile").Select(f => Path.GetFileName(f)).Order()];

    [Theory]
    [MemberData(nameof(Dockerfiles))]
    public void An_image_runs_as_the_user_of_the_manifests_on_named_base_images_and_has_what_the_manifests_start(string name)
    {
        var text = File.ReadAllText(Path.Combine(Deploy, "images", name));
        Assert.All(Regex.Matches(text, @"^ARG (?:SDK|RUNTIME|PYTHON)=(\S+)", RegexOptions.Multiline), image => Assert.Matches(@":[0-9][\w.-]*(@sha256:[0-9a-f]{64})?$", image.Groups[1].Value));
        var objects = Manifests.Objects(Manifests.Text("base"));
        var pod = objects.Find("Deployment", "coordinator").At("spec.template.spec")!;
        Assert.Contains($"USER {pod.Word("securityContext.runAsUser")}:{pod.Word("securityContext.runAsGroup")}\n", text, StringComparison.Ordinal);
        // Everything that a pod of this image starts is published into it.
        var image = Path.GetFileNameWithoutExtension(name) + ":";
        var programs = objects.SelectMany(ManifestRules.Pods).SelectMany(p => p.List("spec.containers"))
            .Where(c => c.Word("image")!.Contains(image.Replace("-cuda", "", StringComparison.Ordinal), StringComparison.Ordinal)).Select(c => c.Word("command.0")!.Replace("/app/Lathe.", "", StringComparison.Ordinal)).ToHashSet();
        Assert.NotEmpty(programs);
        Assert.All(programs, program => Assert.Matches($@"(\w+:{program}\b|/Lathe\.{program}\.csproj)", text));
        foreach (var label in new[] { "title", "description", "version", "revision", "licenses" }) Assert.Contains($"org.opencontainers.image.{label}=", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Everything_on_one_machine_has_settings_that_the_code_reads_files_that_are_there_and_time_to_end()
    {
        var folder = Path.Combine(Deploy, "compose");
        var compose = Assert.Single(Manifests.Objects(File.ReadAllText(Path.Combine(folder, "compose.yaml"))));
        var known = typeof(HostingSettings).GetFields().Where(field => field.IsLiteral).Select(field => field.GetRawConstantValue()).OfType<string>()
            .Concat([CoordinatorHost.HttpVariable, DatabaseAddress.Variable, ApiSettings.KeyVariable, ApiSettings.HostsVariable, ApiSettings.TraceVariable, TelemetrySetup.EndpointVariable, "RABBITMQ_HTTP"])
            .Concat(["AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]).ToHashSet();
        var ours = compose["x-lathe"]!;
        var settings = ours["environment"]!.AsObject().Concat(compose.At("services.coordinator.environment")!.AsObject()).Select(s => s.Key).Where(s => s != "<<");
        Assert.All(settings, name => Assert.Contains(name, known));
        Assert.True(LatheBus.HostStop.TotalSeconds < int.Parse(ours.Word("stop_grace_period")!.TrimEnd('s'), CultureInfo.InvariantCulture), "a process is killed while it still ends by itself");
        Assert.Equal(("true", "ALL"), (ours.Word("read_only"), ours.Word("cap_drop.0")));

        var services = compose["services"]!.AsObject().Select(s => s.Value!).ToList();
        var images = services.Select(s => s.Word("image")).OfType<string>().ToList();
        Assert.All(images, image => Assert.Matches(@":[v0-9][\w.-]*$", image));
        // The same versions as in the manifests.
        var manifests = Manifests.Text("overlays/dev");
        Assert.All(images.Where(i => !i.Contains("seaweedfs", StringComparison.Ordinal)), image => Assert.Contains($"image: {image}\n", manifests, StringComparison.Ordinal));
        Assert.All(
            services.SelectMany(s => s.List("volumes")).Select(v => v.ToString().Split(':')[0]).Where(v => v.StartsWith('.')),
            path => Assert.True(Path.Exists(Path.Combine(folder, path)), path));
        // Every variable has a value that ./secrets makes, or a default.
        var made = Manifests.Run(Path.Combine(folder, "secrets")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('=')[0]).ToHashSet();
        Assert.All(Regex.Matches(File.ReadAllText(Path.Combine(folder, "compose.yaml")), @"\$\{(\w+)(:-)?").Where(m => m.Groups[2].Length == 0), variable => Assert.Contains(variable.Groups[1].Value, made));
    }
}
