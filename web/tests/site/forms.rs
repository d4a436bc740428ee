//! What the forms about a service take and keep.

use anyhow::{Context, Result};
use komandorr_collector::registry::ServiceDetails;
use komandorr_web::Config;
use komandorr_wire::ServiceId;
use reqwest::{Client, Response, redirect::Policy};

use crate::support::Stage;

async fn send(stage: &Stage, path: &str, form: &str) -> Result<Response> {
    let client = Client::builder().redirect(Policy::none()).build()?;
    let request = client.post(stage.url(path)).body(form.to_owned());
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    Ok(request.send().await?)
}

#[tokio::test]
async fn a_capacity_that_nobody_touched_stays_as_it_was_to_the_byte() -> Result<()> {
    let stage = Stage::open().await?;
    let capacity_bytes_per_second = Some(117_187_500);
    let details = ServiceDetails { capacity_bytes_per_second, ..ServiceDetails::default() };
    stage.registry.register(&ServiceId::new("web-1")?, details)?;
    let page = reqwest::get(stage.url("/services/web-1")).await?.text().await?;
    assert!(page.contains("value=\"117.19 MB/s\""), "{page}");
    let saved = send(&stage, "/services/web-1", "name=Web&group=&capacity=117.19+MB%2Fs").await?;
    assert_eq!(saved.status(), 303);
    let service = stage.registry.get("web-1").context("the service")?;
    assert_eq!(
        (service.name.as_str(), service.capacity_bytes_per_second),
        ("Web", Some(117_187_500))
    );
    send(&stage, "/services/web-1", "name=Web&group=&capacity=117.2+MB%2Fs").await?;
    let service = stage.registry.get("web-1").context("the service")?;
    assert_eq!(service.capacity_bytes_per_second, Some(117_200_000));
    send(&stage, "/services/web-1", "name=Web&group=&capacity=").await?;
    let service = stage.registry.get("web-1").context("the service")?;
    assert_eq!(service.capacity_bytes_per_second, None);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn forms_take_the_names_that_the_api_takes_and_cut_none() -> Result<()> {
    let stage = Stage::open().await?;
    let (most, more) = ("n".repeat(500), "n".repeat(501));
    let made = send(&stage, "/add", &format!("id=web-1&name={most}&group={most}")).await?;
    assert_eq!(made.status(), 200);
    let saved = format!("name={most}&group=Edge&capacity=");
    assert_eq!(send(&stage, "/services/web-1", &saved).await?.status(), 303);
    let service = stage.registry.get("web-1").context("the service")?;
    assert_eq!((&service.name, service.group.as_deref()), (&most, Some("Edge")));
    for (path, form) in [
        ("/add", format!("id=web-2&name={more}&group=")),
        ("/add", format!("id=web-2&name=&group={more}")),
        ("/add", "id=web-2&name=a%0Ab&group=".to_owned()),
        ("/services/web-1", format!("name={more}&group=&capacity=")),
        ("/services/web-1", "name=&group=a%07&capacity=".to_owned()),
    ] {
        let refused = send(&stage, path, &form).await?;
        assert_eq!(refused.status(), 422, "{path}: {form}");
        assert!(refused.text().await?.contains(">It must be "), "{path}: {form}");
    }
    assert!(stage.registry.get("web-2").is_none());
    assert_eq!(stage.registry.get("web-1").context("the service")?.name, most);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_service_called_new_has_a_page_of_its_own() -> Result<()> {
    let stage = Stage::open().await?;
    let client = Client::builder().redirect(Policy::none()).build()?;
    let page =
        async || Ok::<_, reqwest::Error>(client.get(stage.url("/services/new")).send().await?);
    let leads_to = |answer: &Response| {
        let place = answer.headers().get("location").and_then(|place| place.to_str().ok());
        (answer.status().as_u16(), place.unwrap_or_default().to_owned())
    };
    // The form's former address leads to it, with what was typed.
    assert_eq!(leads_to(&page().await?), (307, "/add".to_owned()));
    let sent = Client::new().post(stage.url("/services/new")).body("id=web-1&name=&group=");
    let sent = sent.header("content-type", "application/x-www-form-urlencoded").send().await?;
    assert_eq!(sent.status(), 200);
    assert!(stage.registry.get("web-1").is_some());
    // Then a service has that name.
    assert_eq!(send(&stage, "/add", "id=new&name=&group=").await?.status(), 200);
    let own = page().await?;
    assert_eq!(own.status(), 200);
    assert!(own.text().await?.contains("action=\"/services/new#details\""));
    let saved = send(&stage, "/services/new", "name=Newcastle&group=&capacity=").await?;
    assert_eq!(leads_to(&saved), (303, "/services/new?saved=1#details".to_owned()));
    assert_eq!(stage.registry.get("new").context("the service")?.name, "Newcastle");
    let form = reqwest::get(stage.url("/add")).await?.text().await?;
    assert!(form.contains("<h1>Add a service</h1>"), "{form}");
    assert_eq!(send(&stage, "/services/new/remove", "").await?.status(), 303);
    assert_eq!(leads_to(&page().await?), (307, "/add".to_owned()));
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_switch_for_old_agents_is_a_box_that_stays_as_it_was_left() -> Result<()> {
    let stage = Stage::open().await?;
    stage.registry.register(&ServiceId::new("web-1")?, ServiceDetails::default())?;
    let checked = async |stage: &Stage| -> Result<bool> {
        let page = reqwest::get(stage.url("/services/web-1")).await?.text().await?;
        let tag = page.split("<input ").find(|tag| tag.contains("id=\"f-un\""));
        Ok(tag.context("the box")?.split('>').next().is_some_and(|tag| tag.contains(" checked")))
    };
    assert!(!checked(&stage).await?);
    let with = "name=&group=&capacity=&undoubled=true";
    assert_eq!(send(&stage, "/services/web-1", with).await?.status(), 303);
    assert!(checked(&stage).await?);
    // Of a form that comes back with what is wrong, too.
    let wrong = with.replace("capacity=", "capacity=fast");
    let again = send(&stage, "/services/web-1", &wrong).await?;
    assert_eq!(again.status(), 422);
    assert!(again.text().await?.contains("name=\"undoubled\" value=\"true\" checked"));
    // And after a restart.
    let folder = stage.close_keeping().await?;
    let stage = Stage::over(folder, "127.0.0.1:0".parse()?, Config::default(), |_| ()).await?;
    assert!(checked(&stage).await?);
    // A box that is not checked is not sent.
    send(&stage, "/services/web-1", "name=&group=&capacity=").await?;
    assert!(!checked(&stage).await?);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_form_that_comes_back_has_all_that_was_typed_and_keeps_it() -> Result<()> {
    let stage = Stage::open().await?;
    stage.registry.register(&ServiceId::new("web-1")?, ServiceDetails::default())?;
    let again = send(&stage, "/access/readers", "name=wall+display&service=web-1").await?;
    assert_eq!(again.status(), 422);
    let page = again.text().await?;
    assert!(page.contains("value=\"wall display\""), "{page}");
    assert!(page.contains("<option value=\"web-1\" selected>"), "{page}");
    assert!(!page.contains("<option value=\"manage\" selected>"), "{page}");
    let again = send(&stage, "/access/tokens", "name=-&scope=manage").await?;
    assert!(again.text().await?.contains("<option value=\"manage\" selected>"));
    // The page does not ask for itself anew, which would take it all away.
    let page = reqwest::get(stage.url("/services/web-1")).await?.text().await?;
    assert!(!page.contains("data-refresh=\"0\""), "{page}");
    let again = send(&stage, "/services/web-1", "name=&group=&capacity=fast").await?;
    assert!(again.text().await?.contains("data-refresh=\"0\""));
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn no_answer_to_a_form_leads_to_an_address_that_takes_forms_alone() -> Result<()> {
    let stage = Stage::open().await?;
    stage.registry.register(&ServiceId::new("web-1")?, ServiceDetails::default())?;
    // The switch of the theme leads back to where one was.
    for (path, form, back) in [
        ("/services/web-1/token", "", "/services/web-1"),
        ("/services/nobody/token", "", "/"),
        ("/access/readers", "name=wall&service=nobody", "/"),
        ("/access/readers", "name=wall&service=web-1", "/access"),
    ] {
        let page = send(&stage, path, form).await?.text().await?;
        assert!(page.contains(&format!("name=\"back\" value=\"{back}\"")), "{path}: {page}");
        assert_eq!(reqwest::get(stage.url(back)).await?.status(), 200, "{path}");
    }
    stage.close().await?;
    Ok(())
}
