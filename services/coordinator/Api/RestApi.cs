using System.Text.Json;
using System.Text.Json.Serialization;
using Lathe.Contracts;
using Lathe.Web;

namespace Lathe.Coordinator;

/// <summary>The coordinator over HTTP: the list of its routes. docs/rest.md describes them.</summary>
public static class RestApi
{
    private const string Json = "application/json";

    // Otherwise the document would name classes, and the program that hosts the routes.
    private const string Tag = "lathe";

    /// <summary>Adds what the routes need. Needs a coordinator.</summary>
    public static IServiceCollection AddRestApi(this IServiceCollection services, ApiSettings settings)
    {
        services.AddApiGuard(settings);
        services.AddApiDocument();
        services.AddMcpEndpoint();
        services.AddSingleton<SweepTargets>();
        services.AddSingleton<SweepVersions>();
        services.AddSingleton<ExecutionQueries>();
        services.AddSingleton<ControlRoutes>();
        services.AddSingleton<EventRoutes>();
        services.AddSingleton<CheckpointRoutes>();
        services.AddSingleton<FileRoutes>();
        services.Configure<RouteHandlerOptions>(options => options.ThrowOnBadRequest = true);
        services.ConfigureHttpJsonOptions(options =>
        {
            options.SerializerOptions.NumberHandling = JsonNumberHandling.Strict;
            options.SerializerOptions.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.CamelCase));
        });
        return services;
    }

    /// <summary>Adds the routes, and what guards them.</summary>
    public static void MapRestApi(this WebApplication app, ApiSettings settings)
    {
        app.UseApiProblems();
        app.UseRouting();
        app.UseSlashesInNames();
        app.UseApiGuard(settings);
        app.Use((context, next) =>
        {
            ExactQuery.Check(context);
            return next(context);
        });
        var read = app.MapGroup("").WithTags(Tag).WithMetadata(new NeedsScope(ApiScope.Read), ExactQuery.Mark);
        var submit = app.MapGroup("").WithTags(Tag).WithMetadata(new NeedsScope(ApiScope.Submit), ExactQuery.Mark);
        var admin = app.MapGroup("").WithTags(Tag).WithMetadata(new NeedsScope(ApiScope.Admin), ExactQuery.Mark);
        var anybody = app.MapGroup("").WithTags(Tag).WithMetadata(new NeedsScope(null));
        app.MapMcpEndpoint();
        app.MapOpenApi(ApiDocument.Path).WithMetadata(new NeedsScope(ApiScope.Read), ExactQuery.Mark);

        submit.MapPost("/sweeps", SubmissionRoutes.SubmitAsync).Takes<SweepSubmission>().WithMetadata(Idempotency)
            .WithSummary("Checks a sweep and records it. The header Idempotency-Key makes it safe to send again.");
        submit.MapPost("/sweeps/check", SubmissionRoutes.CheckAsync).Takes<SweepSubmission>()
            .WithSummary("Says what is wrong with a sweep and how many executions it has. Records nothing. A sweep may be sent as text (yaml): then problems have a line and a column.");
        submit.MapPost("/sweeps/plan", PlanRoutes.PlanAsync).Takes<SweepSubmission>()
            .WithSummary("Says what a sweep would do: its executions, what is cached, sizes and time; with why=true, what differs from earlier executions. Records nothing.");
        read.MapGet("/sweeps", ReadingRoutes.ListAsync).WithSummary("Sweeps, latest first; of some states (state=running,failed), or with some text in their name (search=). The next page begins before the last sweep of this one.");
        read.MapGet("/sweeps/{reference}", ReadingRoutes.StatusAsync).Named().Produces<SweepStatus>().Produces(StatusCodes.Status304NotModified).WithMetadata(Version)
            .WithSummary("A sweep with its counts, and the executions that run, that failed last, and the first others.");
        read.MapGet("/sweeps/{reference}/executions", ReadingRoutes.ExecutionsAsync).Named().WithSummary("Executions of a sweep in the order of its tree, a page at a time.");
        read.MapGet("/sweeps/{reference}/executions/{index:int}", ExecutionRoutes.OfSweepAsync).Named().WithSummary("One execution: its course, its place among others, and with why=true what kept it from being cached.");
        read.MapGet("/sweeps/{reference}/results", ReadingRoutes.ResultsAsync).Named().Produces<SweepResults>().Produces(StatusCodes.Status304NotModified).WithMetadata(Version)
            .WithSummary("Results of a sweep, one row for each leaf of its tree; without a limit all.");
        read.MapGet("/sweeps/{reference}/best", ReadingRoutes.BestAsync).Named()
            .WithSummary("Results that no other beats: on the Pareto front of the first metric of which more is better against one of which less is.");
        read.MapGet("/sweeps/{reference}/table", TableRoutes.TableAsync).Named().Produces<ResultTable>().Produces(StatusCodes.Status304NotModified).WithMetadata(Version)
            .WithSummary("Results of a sweep as a table: what differs between its leaves, and their figures. format=csv or parquet gives a file.");
        read.MapPost("/sweeps/{reference}/table", TableRoutes.SomeAsync).Takes<TableOrder>().Named().Produces<ResultTable>()
            .WithSummary("Some rows and columns of the table, in the order in which the body names them.");
        read.MapGet("/sweeps/{reference}/tree", ExecutionRoutes.TreeAsync).Named().WithSummary("Executions that start from one (parent=INDEX), or the first ones, with the number of those that start from each.");
        read.MapGet("/sweeps/{reference}/trials", ReadingRoutes.TrialsAsync).Named().WithSummary("Trials of a search in their order, a page at a time (after=NUMBER), with what was chosen and what came of it.");
        read.MapGet("/sweeps/{reference}/curves", ReadingRoutes.CurvesAsync).Named().WithSummary("Figures of the epochs of the executions that run, or of some (executions=1,2).");
        read.MapGet("/sweeps/{reference}/spec", ReadingRoutes.SpecAsync).Named().WithSummary("A sweep as it was submitted, as JSON and as the text of a sweep file.");
        read.MapGet("/sweeps/{reference}/events", (string reference, long? since, bool? progress, HttpContext context, EventRoutes events) => events.StreamAsync(reference, since, progress, context))
            .Named().Produces<SweepEvent>(contentType: EventRoutes.MediaType).Fails(StatusCodes.Status503ServiceUnavailable).WithMetadata(LastEvent).WithSummary("What happens to a sweep, as server-sent events. The header Last-Event-ID goes on after an event, since=-1 begins now. With progress=true also how far executions are.");
        read.MapGet("/executions/{execution}", ExecutionRoutes.DetailAsync).Named().WithSummary("One execution, named SWEEP:INDEX, by its id or by its key.");
        read.MapGet("/executions/{execution}/panels", ExecutionRoutes.PanelsAsync).Named().WithSummary("Pictures and tables of its result, as data.");
        read.MapGet("/executions/{execution}/panels/{panel}.svg", ExecutionRoutes.DrawnAsync).Named().Produces<string>(contentType: ExecutionRoutes.Svg)
            .WithSummary("One of them, drawn; theme=light or dark sets its colours.");
        read.MapGet("/executions/{execution}/logs", LogRoutes.ReadAsync).Named().WithSummary("The last 1,000 lines of its log, or those after a line; what runs writes more every few seconds.");
        read.MapGet("/executions/{execution}/files", (string execution, FileRoutes files, CancellationToken stop) => files.ListAsync(execution, stop))
            .Named().WithSummary("Files of its checkpoint, exports that were made of it, and forms in which workers export it.");
        read.MapGet("/executions/{execution}/files/{name}", (string execution, string name, FileRoutes files, CancellationToken stop) => files.GetAsync(execution, name, stop))
            .Named().Produces<Stream>(contentType: FileRoutes.Bytes).WithSummary("One of the files.");
        submit.MapPost("/executions/{execution}/exports", (string execution, HttpRequest request, FileRoutes files) => files.ExportAsync(execution, request))
            .Takes<ExportOrder>().Named().Fails(StatusCodes.Status409Conflict).Fails(StatusCodes.Status503ServiceUnavailable).Fails(StatusCodes.Status504GatewayTimeout)
            .WithSummary("Has a worker export its checkpoint, and verify that. The first time may take a minute; then the store has it.");
        read.MapGet("/compare", CompareRoutes.CompareAsync).Named().WithSummary("Two to six results side by side (executions=SWEEP:3,SWEEP:7): figures, widths and weights of the layers, panels.");
        read.MapGet("/stages", ReadingRoutes.Stages).WithSummary("Stages that workers have announced, with the JSON Schema of their parameters.");

        read.MapGet("/sweep-schema", ReadingRoutes.SweepSchemaOf).Produces<System.Text.Json.Nodes.JsonObject>().WithSummary("JSON Schema of a sweep file over the stages that workers have announced, for editors.");
        read.MapGet("/models", ReadingRoutes.Models).WithSummary("Models of the zoo, with their dense size on their usual data set.");
        read.MapGet("/datasets", ReadingRoutes.Datasets).WithSummary("Data sets with names of their own, and whether this coordinator finds them.");
        read.MapGet("/workers", WorkerRoutes.WorkersAsync).WithSummary("Workers that are up, and what each of them does.");
        read.MapGet("/queues", WorkerRoutes.QueuesAsync).WithSummary("What waits for each version of a stage, and who could take it.");

        submit.MapPost("/sweeps/{reference}/pause", (string reference, string? stage, int? execution, ControlRoutes orders) => orders.PauseAsync(reference, stage, execution))
            .Orders("Pauses a sweep, a stage of it or one execution. Nothing is lost.");
        submit.MapPost("/sweeps/{reference}/resume", (string reference, string? stage, int? execution, ControlRoutes orders) => orders.ResumeAsync(reference, stage, execution))
            .Orders("Goes on with what was paused.");
        submit.MapPost("/sweeps/{reference}/cancel", (string reference, string? stage, int? execution, ControlRoutes orders) => orders.CancelAsync(reference, stage, execution))
            .Orders("Cancels what has not finished. Finished results are kept.");
        submit.MapPost("/sweeps/{reference}/retry", (string reference, string? stage, int? execution, HttpRequest request, ControlRoutes orders) => orders.RetryAsync(reference, stage, execution, request))
            .Accepts<RetryOrder>(isOptional: true, Json).Fails(StatusCodes.Status422UnprocessableEntity)
            .Orders("Runs again what failed or was cancelled, and what was skipped because of it; with other parameters on request.");
        submit.MapPost("/sweeps/{reference}/priority", (string reference, HttpRequest request, ControlRoutes orders) => orders.PriorityAsync(reference, request))
            .Takes<PriorityOrder>().Named().WithSummary("Sets the priority of a sweep, 1 to 5.");
        submit.MapPut("/sweeps/{reference}/pin", (string reference, ControlRoutes orders) => orders.PinAsync(reference)).Named().WithSummary("Keeps everything of a sweep.");
        submit.MapDelete("/sweeps/{reference}/pin", (string reference, ControlRoutes orders) => orders.UnpinAsync(reference)).Named().WithSummary("Takes the pin away.");
        admin.MapDelete("/sweeps/{reference}", (string reference, ControlRoutes orders) => orders.DeleteAsync(reference))
            .Named().Fails(StatusCodes.Status409Conflict).WithSummary("Forgets a sweep that is over. Its results stay in the store until they are collected.");

        admin.MapPost("/gc", GcRoutes.CollectAsync).Takes<CollectionOrder>()
            .WithSummary("Deletes what the store need not keep: checkpoints beyond a rule or a budget, training states of executions that ended.");

        anybody.MapWebPage();
        var session = anybody.MapGroup("").WithMetadata(ExactQuery.Mark);
        session.MapGet("/session", SessionRoutes.Show).WithSummary("Who uses the coordinator in this browser, and whether a key is needed.");
        session.MapPost("/session", SessionRoutes.OpenAsync).Takes<SessionOrder>().Fails(StatusCodes.Status401Unauthorized)
            .WithSummary("Opens a session with a key: a cookie that stands for it, for twelve hours.");
        session.MapDelete("/session", SessionRoutes.CloseAsync).WithSummary("Closes the session.");

        submit.MapPut("/checkpoints/{sha256}", (string sha256, HttpContext context, CheckpointRoutes checkpoints) => checkpoints.PutAsync(sha256, context))
            .Accepts<Stream>(CheckpointRoutes.MediaType).Produces<CheckpointRef>(StatusCodes.Status201Created).Produces<CheckpointRef>()
            .Fails(StatusCodes.Status422UnprocessableEntity).WithSummary("Takes a safetensors file with that SHA-256 into the store.");
        read.MapMethods("/checkpoints/{sha256}", ["GET", "HEAD"], (string sha256, CheckpointRoutes checkpoints, CancellationToken stop) => checkpoints.GetAsync(sha256, stop))
            .Named().Produces<Stream>(contentType: CheckpointRoutes.MediaType).WithSummary("A checkpoint of the store, by its digest or a unique start of it; for HEAD, whether it is there.");
    }

    private static readonly TakesHeader Idempotency = new(
        SubmissionRoutes.IdempotencyKey, "Chosen by the client, once for each submission; the same one again gives the sweep that was recorded. As requestId in the body.");

    private static readonly TakesHeader Version = new("If-None-Match", "The ETag of the last answer; 304 where it is still the same.");

    private static readonly TakesHeader LastEvent = new("Last-Event-ID", "Id of the last event that the client has.");

    private static RouteHandlerBuilder Takes<T>(this RouteHandlerBuilder route)
        where T : notnull =>
        route.Accepts<T>(Json).Fails(StatusCodes.Status400BadRequest).Fails(StatusCodes.Status422UnprocessableEntity);

    private static void Orders(this RouteHandlerBuilder route, string summary) => route.Named().Fails(StatusCodes.Status409Conflict).WithSummary(summary);

    /// <summary>The route names a sweep, which may not be there.</summary>
    private static RouteHandlerBuilder Named(this RouteHandlerBuilder route) => route.Fails(StatusCodes.Status404NotFound);

    private static RouteHandlerBuilder Fails(this RouteHandlerBuilder route, int status) => route.Produces<ApiProblem>(status, ApiProblems.MediaType);
}
